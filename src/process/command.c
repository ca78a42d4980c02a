/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: splitting simple commands, and the search along PATH. */
#include "process/command.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BLANKS " \t"
/* Outside of quotes these may mean something to some sh. '=' only matters in the first word. */
#define SHELL_CHARS "|&;<>()$`\\*?[]#~{}!^\n\r"
#define SHELL_CHARS_IN_QUOTES "$`\\!"

/* Words that sh takes for itself: builtins and keywords of POSIX, dash, bash, busybox. */
static const char *const shell_words[] = {
	".",	  ":",	    "[",	"[[",	   "alias",   "bg",	 "bind",   "break",   "builtin", "caller",   "case",
	"cd",	  "chdir",  "command",	"compgen", "complete", "continue", "coproc", "declare", "dirs",	"disown", "do",
	"done",	  "echo",   "elif",	"else",	   "enable",  "esac",	 "eval",   "exec",    "exit",	 "export",   "false",
	"fc",	  "fg",	    "fi",	"for",	   "function", "getopts", "hash",   "help",    "history", "if",	     "in",
	"jobs",	  "kill",   "let",	"local",   "logout",  "mapfile", "popd",   "printf",  "pushd",	 "pwd",	     "read",
	"readonly", "return", "select", "set",	   "shift",   "shopt",	 "source", "suspend", "test",	 "then",     "time",
	"times",  "trap",   "true",	"type",	   "typeset", "ulimit",	 "umask",  "unalias", "unset",	 "until",    "wait",
	"while",
};

struct splitter {
	const char *at;
	char *text; /* next free byte for the words */
	char **words;
	size_t n;
	bool quoted; /* the current word had quotes */
};

/* Copies what stands in quotes. Returns false if a shell is needed. */
static bool take_quoted(struct splitter *s)
{
	char quote = *s->at++;
	const char *end = strchr(s->at, quote);
	size_t len;

	if (!end)
		return false; /* sh says it best */
	len = (size_t)(end - s->at);
	if (quote == '"' && strcspn(s->at, SHELL_CHARS_IN_QUOTES) < len)
		return false;
	memcpy(s->text, s->at, len);
	s->text += len;
	s->at = end + 1;
	s->quoted = true;
	return true;
}

static bool take_word(struct splitter *s)
{
	s->words[s->n++] = s->text;
	s->quoted = false;
	while (*s->at && !strchr(BLANKS, *s->at)) {
		if (*s->at == '\'' || *s->at == '"') {
			if (!take_quoted(s))
				return false;
		} else if (strchr(SHELL_CHARS, *s->at)) {
			return false;
		} else {
			*s->text++ = *s->at++;
		}
	}
	*s->text++ = '\0';
	return true;
}

static bool is_shell_word(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(shell_words); i++) {
		if (strcmp(word, shell_words[i]) == 0)
			return true;
	}
	return false;
}

/* Is the first word a program, by its look? */
static bool is_program(const char *word)
{
	return *word && !strchr(word, '=') && !is_shell_word(word);
}

/* Returns 1, 0 or -EINVAL as command_split(). */
static int split(struct splitter *s)
{
	bool skipped_exec = false;

	for (;;) {
		bool first = s->n == 0;

		s->at += strspn(s->at, BLANKS);
		if (!*s->at)
			break;
		if (!take_word(s))
			return 0;
		if (!first)
			continue;
		if (!s->quoted && !skipped_exec && strcmp(s->words[0], "exec") == 0) {
			skipped_exec = true;
			s->n = 0;
		} else if (!is_program(s->words[0])) {
			return 0;
		} else if (skipped_exec && s->words[0][0] == '-') {
			return 0; /* options of bash's exec */
		}
	}
	if (s->n == 0)
		return skipped_exec ? 0 : -EINVAL;
	s->words[s->n] = NULL;
	return 1;
}

int command_split(const char *command, char ***out_argv)
{
	size_t len = strlen(command);
	size_t max_words = len / 2 + 3;
	AUTO(auto_free) char **block = NULL;
	struct splitter s;
	int r;

	if (command[strspn(command, BLANKS "\n\r")] == '\0')
		return -EINVAL;
	if (len > SIZE_MAX / 16)
		return -ENOMEM;
	block = malloc(max_words * sizeof(char *) + len + 2);
	if (!block)
		return -ENOMEM;
	s = (struct splitter){ .at = command, .words = block, .text = (char *)(block + max_words) };
	r = split(&s);
	if (r == 1)
		*out_argv = STEAL(&block);
	return r;
}

char **command_candidates(const char *program, const char *path)
{
	size_t dirs = 1;
	size_t program_len = strlen(program);
	char **list;
	char *text;
	size_t n = 0;

	if (strchr(program, '/'))
		path = "";
	else if (!path)
		path = COMMAND_DEFAULT_PATH;
	for (const char *p = path; *p; p++)
		dirs += *p == ':';

	list = malloc((dirs + 1) * sizeof(char *) + strlen(path) + dirs * (program_len + 3));
	if (!list)
		return NULL;
	text = (char *)(list + dirs + 1);
	for (size_t i = 0; i < dirs; i++) {
		size_t len = strcspn(path, ":");

		list[n++] = text;
		memcpy(text, path, len);
		text += len;
		if (len > 0) /* an empty element is the working directory */
			*text++ = '/';
		memcpy(text, program, program_len + 1);
		text += program_len + 1;
		path += len + (path[len] == ':');
	}
	list[n] = NULL;
	return list;
}
