#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Counts orders in redis and writes the page that nginx shows.
set -eu
shop=${SHOP_DIR:-/tmp/zinit-shop}
redis_port=${SHOP_REDIS_PORT:-16379}

while :; do
	orders=$(redis-cli -p "$redis_port" incr orders)
	echo "<h1>zinit shop</h1><p>$orders orders packed</p>" > "$shop/www/index.html.new"
	mv "$shop/www/index.html.new" "$shop/www/index.html"
	echo "order $orders packed"
	sleep 1
done
