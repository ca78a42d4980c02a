#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the shop needs before its programs can start; harmless when run again.
set -eu
shop=${SHOP_DIR:-/tmp/zinit-shop}
redis_port=${SHOP_REDIS_PORT:-16379}
http_port=${SHOP_HTTP_PORT:-18080}

mkdir -p "$shop/redis" "$shop/nginx" "$shop/www"
chmod 755 "$shop" "$shop/www"

cat > "$shop/redis.conf" <<EOF
bind 127.0.0.1
port $redis_port
dir $shop/redis
daemonize no
save ""
appendonly no
EOF

cat > "$shop/nginx.conf" <<EOF
$([ "$(id -u)" != 0 ] || echo "user www-data;")
worker_processes 1;
daemon off;
pid $shop/nginx/nginx.pid;
error_log stderr notice;
events { worker_connections 64; }
http {
	access_log /dev/stdout;
	client_body_temp_path $shop/nginx/body;
	proxy_temp_path $shop/nginx/proxy;
	fastcgi_temp_path $shop/nginx/fastcgi;
	uwsgi_temp_path $shop/nginx/uwsgi;
	scgi_temp_path $shop/nginx/scgi;
	server {
		listen 127.0.0.1:$http_port;
		root $shop/www;
		location = /health {
			access_log off;
			return 200 "the shop is open\n";
		}
	}
}
EOF

echo "<h1>zinit shop</h1>" > "$shop/www/index.html"
echo "prepared $shop: redis on port $redis_port, nginx on port $http_port"
