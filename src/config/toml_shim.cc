/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: TOML text -> document tree, by toml++. The parser throws nothing of its own
 * (TOML_EXCEPTIONS=0); what the C++ library throws when memory is gone ends here. No source path
 * is handed to it: it would be kept in a shared_ptr whose allocation is not guarded.
 *
 * The parser's own assertions fail on some malformed text ("[= 1" with 3.3.0). A failed one becomes an
 * exception here, in every build type, so that no text can end the server.
 */
#undef NDEBUG /* with it toml++ turns assertions into promises to the compiler */

namespace
{
struct broken_promise {
};
} // namespace

#define TOML_ASSERT(expr) ((expr) ? static_cast<void>(0) : throw broken_promise{})
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 32

/* some assertions stand in noexcept functions: those are about the library's own bookkeeping */
#pragma GCC diagnostic push
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wterminate"
#else
#pragma GCC diagnostic ignored "-Wexceptions"
#endif
#include <toml++/toml.h>
#pragma GCC diagnostic pop

#include <cerrno>
#include <cstdio>
#include <string_view>
#include <vector>

#include "config/toml.h"

namespace
{

doc_place place_of(const toml::source_position &p) noexcept
{
	return { p.line, p.column };
}

int fill(doc *d, doc_node *node, const toml::node &from, int depth);

int fill_table(doc *d, doc_node *node, const toml::table &from, int depth)
{
	node->type = DOC_TABLE;
	for (auto &&[key, value] : from) {
		doc_node *child = doc_add(d, node, key.str().data(), key.str().size());

		if (!child)
			return -ENOMEM;
		child->key_at = place_of(key.source().begin);
		if (int r = fill(d, child, value, depth + 1); r < 0)
			return r;
	}
	return 0;
}

int fill_array(doc *d, doc_node *node, const toml::array &from, int depth)
{
	node->type = DOC_ARRAY;
	for (auto &&value : from) {
		doc_node *child = doc_add(d, node, nullptr, 0);

		if (!child)
			return -ENOMEM;
		if (int r = fill(d, child, value, depth + 1); r < 0)
			return r;
	}
	return 0;
}

int fill(doc *d, doc_node *node, const toml::node &from, int depth)
{
	if (depth > DOC_DEPTH_MAX)
		return -EINVAL;
	node->at = place_of(from.source().begin);
	if (const toml::table *table = from.as_table())
		return fill_table(d, node, *table, depth);
	if (const toml::array *array = from.as_array())
		return fill_array(d, node, *array, depth);
	if (const auto *text = from.as_string())
		return doc_set_text(d, node, text->get().data(), text->get().size());
	if (const auto *integer = from.as_integer()) {
		node->type = DOC_INT;
		node->integer = integer->get();
	} else if (const auto *number = from.as_floating_point()) {
		node->type = DOC_FLOAT;
		node->number = number->get();
	} else if (const auto *boolean = from.as_boolean()) {
		node->type = DOC_BOOL;
		node->boolean = boolean->get();
	} else {
		node->type = DOC_DATETIME;
	}
	return 0;
}

int refuse(doc_error *error, doc_place at, const char *why) noexcept
{
	error->at = at;
	(void)std::snprintf(error->text, sizeof(error->text), "%s", why);
	return -EINVAL;
}

bool breaks(std::string_view text)
{
	try {
		(void)toml::parse(text);
		return false;
	} catch (const broken_promise &) {
		return true;
	}
}

/* The line on which an assertion of the parser fails: the shortest run of lines that makes it fail. */
doc_place breaking_place(std::string_view text)
{
	std::vector<std::size_t> ends;
	std::size_t low = 0;

	for (std::size_t i = 0; i < text.size(); i++) {
		if (text[i] == '\n')
			ends.push_back(i + 1);
	}
	for (std::size_t high = ends.size(); low < high;) {
		const std::size_t middle = low + (high - low) / 2;

		if (breaks(text.substr(0, ends[middle])))
			high = middle;
		else
			low = middle + 1;
	}
	return { static_cast<uint32_t>(low + 1), 1 };
}

int parse(const char *text, size_t len, doc **out_doc, doc_error *error)
{
	const toml::parse_result result = toml::parse(std::string_view(text, len));
	doc *d;
	int r;

	if (!result) {
		const std::string_view what = result.error().description();

		error->at = place_of(result.error().source().begin);
		(void)std::snprintf(error->text, sizeof(error->text), "%.*s",
				    static_cast<int>(what.size()), what.data());
		return -EINVAL;
	}
	d = doc_new();
	if (!d)
		return -ENOMEM;
	r = fill(d, doc_root_mutable(d), result.table(), 0);
	if (r < 0) {
		doc_free(d);
		return r == -ENOMEM ? r : refuse(error, { 1, 1 }, "nested too deep");
	}
	*out_doc = d;
	return 0;
}

} // namespace

extern "C" int toml_parse(const char *text, size_t len, doc **out_doc, doc_error *error)
{
	doc_place at;
	const char *const wrong = toml_scan(text, len, &at);

	if (wrong)
		return refuse(error, at, wrong);
	try {
		try {
			return parse(text, len, out_doc, error);
		} catch (const broken_promise &) {
			return refuse(error, breaking_place({ text, len }), "malformed line");
		}
	} catch (...) {
		return -ENOMEM;
	}
}
