/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: the text of metrics: both formats, labels, what is absent, what is full. */
#include "../testing.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rpc/metrics.h"

static const char *kind(size_t i)
{
	return i ? "bad" : "good";
}

static const struct metric rows[] = {
	{ "a", METRIC_GAUGE, METRIC_SIGNED, 0, "A." },
	{ "b", METRIC_COUNTER, METRIC_USEC, 1, "B." },
	{ "c", METRIC_SUMMARY, METRIC_NSEC, 2, "C." },
	{ "d", METRIC_COUNTER, METRIC_PLAIN, 4, "D.", .label = "kind", .label_value = kind, .n = 2, .sparse = true },
	{ "e", METRIC_INFO, METRIC_PLAIN, 6, "E." },
};

static struct metric_subject subject(void)
{
	return (struct metric_subject){ .rows = rows, .rows_n = ARRAY_LEN(rows), .columns = 7 };
}

static char *labels(const char *value)
{
	struct strbuf text = STRBUF(200);

	metric_label(&text, "name", value);
	return strbuf_steal(&text);
}

static void assert_text(const struct metric_subject *s, bool openmetrics, const char *expected)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(4096);

	metric_write(s, openmetrics, &text);
	assert_false(text.failed);
	assert_string_equal(strbuf_str(&text), expected);
}

static void test_formats(void **state)
{
	struct metric_subject s = subject();
	uint64_t *v = metric_add(&s, labels("x"));

	(void)state;
	v[0] = (uint64_t)-3;
	v[1] = 1500000;
	v[2] = 2000000001;
	v[3] = 7;
	v[4] = 5;
	v[5] = 0;
	assert_text(&s, false,
		    "# HELP a A.\n# TYPE a gauge\na{name=\"x\"} -3\n"
		    "# HELP b_total B.\n# TYPE b_total counter\nb_total{name=\"x\"} 1.500000\n"
		    "# HELP c C.\n# TYPE c summary\nc_sum{name=\"x\"} 2.000000001\nc_count{name=\"x\"} 7\n"
		    "# HELP d_total D.\n# TYPE d_total counter\nd_total{name=\"x\",kind=\"good\"} 5\n");
	v[6] = 1;
	v[0] = v[1] = v[2] = v[3] = v[4] = METRIC_ABSENT;
	assert_text(&s, true, "# HELP e E.\n# TYPE e info\ne_info{name=\"x\"} 1\n");
	assert_text(&s, false, "# HELP e_info E.\n# TYPE e_info gauge\ne_info{name=\"x\"} 1\n");
	metric_subject_fini(&s);
}

static void test_families_stay_together(void **state)
{
	struct metric_subject s = subject();

	(void)state;
	for (uint64_t i = 0; i < 40; i++)
		metric_add(&s, NULL)[0] = i;
	metric_add(&s, labels("a\"b\\c\nd"))[4] = 1;
	{
		AUTO(strbuf_fini) struct strbuf text = STRBUF(4096);

		metric_write(&s, true, &text);
		assert_non_null(strstr(strbuf_str(&text), "# TYPE a gauge\na 0\na 1\na 2\n"));
		assert_non_null(strstr(strbuf_str(&text), "a 39\n# HELP d D.\n# TYPE d counter\n"
							  "d_total{name=\"a\\\"b\\\\c\\nd\",kind=\"good\"} 1\n"));
	}
	metric_subject_fini(&s);
	assert_int_equal(s.samples_n, 0);
}

static void test_full(void **state)
{
	struct metric_subject s = subject();
	AUTO(strbuf_fini) struct strbuf text = STRBUF(30);

	(void)state;
	metric_add(&s, NULL)[0] = 1;
	metric_write(&s, false, &text);
	assert_true(text.failed);
	assert_true(text.len <= 30);
	metric_subject_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_families_stay_together),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
