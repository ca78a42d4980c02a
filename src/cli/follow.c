/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the life of one subscription. */
#include "cli/follow.h"

#include <stdio.h>

#include "base/str.h"
#include "cli/ask.h"

static void on_notify(const char *method, const json_t *params, void *data)
{
	const struct follow *f = data;

	if (str_equal(method, f->method))
		f->got(params, f->data);
}

static int subscribe(struct cli *cli, const struct follow *f, struct zinit_error *err)
{
	json_t *answer = NULL;
	int r = zinit_call(cli->client, f->method, f->params(f->data), ANSWER_MS, &answer, err);

	if (r == 0 && f->began)
		f->began(answer, f->data);
	json_decref(answer);
	return r;
}

/* Until the connection breaks or it is done. */
static int listen_to(struct cli *cli, const struct follow *f, struct zinit_error *err)
{
	int r = 1;

	while (r > 0 && !(f->done && f->done(f->data))) {
		if (fflush(stdout) != 0)
			return 0; /* nobody reads any more; main() tells by the exit code */
		r = zinit_dispatch(cli->client, f->done ? f->idle_ms : -1, err);
	}
	return r < 0 ? r : 0;
}

int follow_run(struct cli *cli, const struct follow *follow)
{
	struct zinit_error err;
	int code = ask_connect(cli);
	int r = 0;

	if (code != EXIT_DONE)
		return code;
	zinit_on_notify(cli->client, on_notify, (void *)(uintptr_t)follow);
	for (;;) {
		r = subscribe(cli, follow, &err);
		if (r == 0)
			r = listen_to(cli, follow, &err);
		if (r == -ZINIT_LOST)
			r = zinit_reconnect(cli->client, CONNECT_MS, &err);
		else if (r == 0)
			break;
		if (r < 0)
			break;
	}
	zinit_on_notify(cli->client, NULL, NULL);
	return r < 0 ? ask_explain(cli, NULL, &err) : EXIT_DONE;
}
