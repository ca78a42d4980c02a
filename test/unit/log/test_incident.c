/* SPDX-License-Identifier: Apache-2.0 */
/* Incidents on disk: names, whole or not there, bounds, a full disk. */
#include "rig.h"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "log/incident.h"

#define SECOND ((ts_ns)NSEC_PER_SEC)
#define BEGIN (1795400000 * SECOND)

struct found {
	unsigned int n;
	char first[INCIDENT_ID_SIZE];
	char heads[65536];
};

static void add_found(const char *id, const char *head, size_t len, size_t bytes, void *data)
{
	struct found *f = data;
	size_t at = strlen(f->heads);

	assert_true(bytes > len);
	if (f->n++ == 0)
		(void)str_copy(f->first, sizeof(f->first), id);
	(void)snprintf(f->heads + at, sizeof(f->heads) - at, "%.*s\n", (int)len, head);
}

static struct found list(const char *dir, const char *service)
{
	struct found f = { 0 };

	assert_int_equal(incident_list(dir, service, add_found, &f), 0);
	return f;
}

static int put(const char *dir, ts_ns at, const char *service, size_t filler)
{
	struct strbuf text = STRBUF(1U << 20);
	char id[INCIDENT_ID_SIZE];
	int code;

	incident_id(at, "crash", service, id);
	(void)strbuf_addf(&text, "{\"id\":\"%s\",\"service\":\"%s\",\n\"filler\":\"", id, service);
	while (filler--)
		(void)strbuf_putc(&text, 'x');
	(void)strbuf_puts(&text, "\"}\n");
	code = incident_write(dir, id, strbuf_str(&text), text.len);
	strbuf_fini(&text);
	return code;
}

static void test_ids(void **state)
{
	char id[INCIDENT_ID_SIZE];
	const char *service;

	(void)state;
	incident_id(BEGIN + 5, "stop_timeout", "web.1-a", id);
	assert_string_equal(id, "20261123T021320.000000005Z.stop_timeout.web.1-a");
	assert_true(incident_id_parse(id, &service));
	assert_string_equal(service, "web.1-a");
	assert_false(incident_id_parse("web", &service));
	assert_false(incident_id_parse("", &service));
	assert_false(incident_id_parse("20261123T021320.000000005Z.stop_timeout.", &service));
	assert_false(incident_id_parse("20261123T021320.000000005Z..web", &service));
	assert_false(incident_id_parse("20261123T021320.000000005Z.crash.../../x", &service));
	assert_false(incident_id_parse("../../../../etc/passwd", &service));
}

static void test_written_listed_and_read(void **state)
{
	struct strbuf text = STRBUF(4096);
	char dir[TESTING_DIR_SIZE];
	char path[256];
	struct stat st;
	struct found f;

	(void)state;
	testing_dir_make(dir);
	assert_int_equal(list(dir, NULL).n, 0);
	assert_int_equal(put(dir, BEGIN, "web", 10), 0);
	assert_int_equal(put(dir, BEGIN + SECOND, "db", 10), 0);
	assert_int_equal(put(dir, BEGIN + 2 * SECOND, "web", 10), 0);
	f = list(dir, NULL);
	assert_int_equal(f.n, 3);
	assert_string_equal(f.heads, "{\"id\":\"20261123T021322.000000000Z.crash.web\",\"service\":\"web\"}\n"
				     "{\"id\":\"20261123T021321.000000000Z.crash.db\",\"service\":\"db\"}\n"
				     "{\"id\":\"20261123T021320.000000000Z.crash.web\",\"service\":\"web\"}\n");
	assert_int_equal(list(dir, "web").n, 2);
	assert_int_equal(list(dir, "we").n, 0);
	assert_int_equal(incident_read(dir, f.first, &text), 0);
	assert_string_equal(strbuf_str(&text), "{\"id\":\"20261123T021322.000000000Z.crash.web\",\"service\":\"web\",\n"
					       "\"filler\":\"xxxxxxxxxx\"}\n");
	(void)snprintf(path, sizeof(path), "%s/.incidents/%s.json", dir, f.first);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(incident_read(dir, "20261123T021322.000000000Z.crash.ghost", &text), -ENOENT);
	assert_int_equal(incident_read(dir, "../log", &text), -ENOENT);
	strbuf_fini(&text);
	testing_dir_remove(dir);
}

/* What is not ours, half-written or damaged is passed over; what a killed writer left goes with the next one. */
static void test_strange_files(void **state)
{
	static const char *const names[] = { ".20261123T021320.000000000Z.crash.web.json.new", "README", "20261123T021320.000000000Z.json" };
	char dir[TESTING_DIR_SIZE];
	char path[256];

	(void)state;
	testing_dir_make(dir);
	assert_int_equal(put(dir, BEGIN, "web", 10), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/.incidents/%s", dir, names[i]);
		assert_int_equal(fd_write_file_atomic(path, "{", 1, 0600, NULL), 0);
	}
	(void)snprintf(path, sizeof(path), "%s/.incidents/20261123T021325.000000000Z.crash.torn.json", dir);
	assert_int_equal(fd_write_file_atomic(path, "{\"id\"", 5, 0600, NULL), 0);
	assert_int_equal(list(dir, NULL).n, 1);
	assert_int_equal(put(dir, BEGIN + SECOND, "web", 10), 0);
	assert_int_equal(list(dir, NULL).n, 2);
	(void)snprintf(path, sizeof(path), "%s/.incidents/%s", dir, names[0]);
	assert_int_equal(access(path, F_OK), -1);
	(void)snprintf(path, sizeof(path), "%s/.incidents/%s", dir, names[1]);
	assert_int_equal(access(path, F_OK), 0);
	testing_dir_remove(dir);
}

static void test_bounds_of_a_service(void **state)
{
	char dir[TESTING_DIR_SIZE];
	struct found f;

	(void)state;
	testing_dir_make(dir);
	assert_int_equal(put(dir, BEGIN, "quiet", 10), 0);
	for (int i = 1; i <= LIMIT_INCIDENTS_SERVICE + 5; i++)
		assert_int_equal(put(dir, BEGIN + i * SECOND, "web", 10), 0);
	f = list(dir, "web");
	assert_int_equal(f.n, LIMIT_INCIDENTS_SERVICE);
	assert_string_equal(f.first, "20261123T021341.000000000Z.crash.web");
	assert_int_equal(list(dir, "quiet").n, 1);
	/* by bytes: the newest that fit */
	for (int i = 1; i <= 8; i++)
		assert_int_equal(put(dir, BEGIN + i * SECOND, "big", 240U << 10), 0);
	assert_int_equal(list(dir, "big").n, LIMIT_INCIDENT_BYTES_SERVICE / (240U << 10));
	assert_int_equal(list(dir, "quiet").n, 1);
	testing_dir_remove(dir);
}

static void test_bounds_of_all(void **state)
{
	char dir[TESTING_DIR_SIZE];
	char service[16];
	struct found f;

	(void)state;
	testing_dir_make(dir);
	for (int i = 0; i < 80; i++) {
		(void)snprintf(service, sizeof(service), "s%d", i);
		assert_int_equal(put(dir, BEGIN + i * SECOND, service, 240U << 10), 0);
	}
	f = list(dir, NULL);
	assert_true(f.n >= 60 && f.n * (240U << 10) <= LIMIT_INCIDENT_BYTES_TOTAL);
	assert_int_equal(list(dir, "s79").n, 1);
	assert_int_equal(list(dir, "s0").n, 0);
	testing_dir_remove(dir);
}

/* --- by the engine -------------------------------------------------------------------------------- */

struct told {
	int result;
	unsigned int n;
};

static void on_kept(const char *id, int result, void *data)
{
	struct told *told = data;

	assert_non_null(id);
	told->result = result;
	told->n++;
}

static void keep(struct rig *rig, ts_ns at, const char *service, size_t filler, struct told *told)
{
	size_t size = filler + 256;
	char id[INCIDENT_ID_SIZE];
	char *text = malloc(size);
	unsigned int before = told->n;
	int n;

	assert_non_null(text);
	incident_id(at, "crash", service, id);
	n = snprintf(text, size, "{\"id\":\"%s\",\n\"filler\":\"%0*d\"}\n", id, (int)filler, 0);
	assert_int_equal(log_incident_add(rig->engine, id, text, (size_t)n, on_kept, told), 0);
	RIG_WAIT(rig, told->n > before);
}

struct answer {
	unsigned int n;
	int result;
	char text[8192];
};

static void on_answer(int result, const struct strbuf *text, void *data)
{
	struct answer *a = data;

	a->n++;
	a->result = result;
	(void)str_copy(a->text, sizeof(a->text), strbuf_str(text));
}

static struct answer ask(struct rig *rig, enum log_incident_question question, const char *what)
{
	struct answer a = { 0 };
	struct log_incident_ask *handle;

	assert_int_equal(log_incident_ask(rig->engine, question, what, on_answer, &a, &handle), 0);
	RIG_WAIT(rig, a.n == 1);
	return a;
}

static void test_engine(void **state)
{
	struct log_incident_ask *handle;
	struct rig rig = { 0 };
	struct told told = { 0 };
	struct answer a = { 0 };
	char dir[TESTING_DIR_SIZE];

	(void)state;
	testing_dir_make(dir);
	rig_start(&rig, dir);
	assert_int_equal(ask(&rig, LOG_INCIDENT_NEWEST, "web").result, -ENOENT);
	keep(&rig, BEGIN, "web", 10, &told);
	keep(&rig, BEGIN + SECOND, "web", 10, &told);
	assert_int_equal(told.result, 0);
	a = ask(&rig, LOG_INCIDENT_LIST, NULL);
	assert_string_equal(a.text, "{\"id\":\"20261123T021321.000000000Z.crash.web\"}\n{\"id\":\"20261123T021320.000000000Z.crash.web\"}\n");
	a = ask(&rig, LOG_INCIDENT_NEWEST, "web");
	assert_non_null(strstr(a.text, "021321"));
	a = ask(&rig, LOG_INCIDENT_BY_ID, "20261123T021320.000000000Z.crash.web");
	assert_non_null(strstr(a.text, "\"filler\":\"0000000000\"}"));
	/* one that is cancelled is not called back, also when the engine ends */
	a.n = 0;
	assert_int_equal(log_incident_ask(rig.engine, LOG_INCIDENT_LIST, NULL, on_answer, &a, &handle), 0);
	log_incident_cancel(handle);
	rig_stop(&rig);
	assert_int_equal(a.n, 0);
	testing_dir_remove(dir);
}

/* The disk is full: nothing half-written stays, the newest wait in memory and are written when there is room. */
static void test_full_disk(void **state)
{
	struct rig rig = { 0 };
	struct told told = { 0 };
	struct answer a;
	char dir[TESTING_DIR_SIZE];
	char ballast[64];
	char logs[64];
	int fd;

	(void)state;
	testing_dir_make(dir);
	if (mount("tmpfs", dir, "tmpfs", 0, "size=1m") < 0) {
		testing_dir_remove(dir);
		skip();
	}
	(void)snprintf(logs, sizeof(logs), "%s/logs", dir);
	rig_start(&rig, logs);
	keep(&rig, BEGIN, "first", 10, &told);
	assert_int_equal(told.result, 0);
	(void)snprintf(ballast, sizeof(ballast), "%s/ballast", dir);
	fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	while (write(fd, (char[4096]){ 1 }, 4096) > 0)
		;
	close(fd);
	for (int i = 1; i <= LIMIT_INCIDENTS_WAITING + 2; i++) {
		keep(&rig, BEGIN + i * SECOND, "web", 8000, &told);
		assert_int_equal(told.result, -ENOSPC);
	}
	assert_int_equal(list(logs, NULL).n, 1);
	assert_int_equal(log_incidents_lost(rig.engine), 2);
	assert_int_equal(unlink(ballast), 0);
	/* a question is enough */
	a = ask(&rig, LOG_INCIDENT_LIST, "web");
	assert_int_equal(a.result, 0);
	assert_int_equal(list(logs, "web").n, LIMIT_INCIDENTS_WAITING);
	rig_stop(&rig);
	assert_int_equal(umount(dir), 0);
	testing_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_written_listed_and_read),
		cmocka_unit_test(test_strange_files),
		cmocka_unit_test(test_bounds_of_a_service),
		cmocka_unit_test(test_bounds_of_all),
		cmocka_unit_test(test_engine),
		cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
