/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restarts a service, waits until it is up, and prints what it says next.
 *
 *   cc restart.c -o restart $(pkg-config --cflags --libs libzinit)
 *   ./restart web 3         # print 3 lines, then end
 */
#include <stdio.h>
#include <stdlib.h>
#include <zinit.h>

static int left;

static void on_notify(const char *method, const json_t *params, void *data)
{
	size_t i;
	json_t *line;

	(void)method;
	(void)data;
	json_array_foreach (json_object_get(params, "lines"), i, line) {
		if (left > 0)
			(void)printf("%s\n", json_string_value(json_object_get(line, "content")));
		left--;
	}
}

static int fail(const char *what, const struct zinit_error *err)
{
	(void)fprintf(stderr, "%s: %s%s%s\n", what, err->message, err->hint[0] ? "\n  " : "", err->hint);
	return err->status == ZINIT_ANSWER ? 3 : 1;
}

int main(int argc, char **argv)
{
	struct zinit_client *client;
	struct zinit_error err;
	json_t *answer = NULL;
	int code = 0;

	if (argc != 3) {
		(void)fprintf(stderr, "usage: restart SERVICE LINES\n");
		return 2;
	}
	left = atoi(argv[2]);
	if (zinit_open(NULL, 1000, &client, &err) < 0)
		return fail("connecting", &err);
	zinit_on_notify(client, on_notify, NULL);
	if (zinit_call(client, "logs.follow", json_pack("{s:s}", "name", argv[1]), 10000, NULL, &err) < 0) {
		code = fail("following", &err);
	} else if (zinit_call(client, "service.restart", json_pack("{s:s,s:b}", "name", argv[1], "wait", 1), -1, &answer, &err) < 0) {
		code = fail("restarting", &err);
	} else {
		(void)printf("%s is %s\n", argv[1], json_string_value(json_object_get(answer, "state")));
		json_decref(answer);
		while (left > 0 && code == 0)
			code = zinit_dispatch(client, -1, &err) < 0 ? fail("listening", &err) : 0;
	}
	zinit_close(client);
	return code;
}
