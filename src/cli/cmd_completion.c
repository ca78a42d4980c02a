/* SPDX-License-Identifier: Apache-2.0 */
/* zinit completion: scripts for shells, made from the tables of verbs and flags. Names of services are asked for. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/command.h"

/* What the arguments of a verb are. */
enum wanted { WANT_NOTHING, WANT_NAMES, WANT_FILES, WANT_VERBS, WANT_SHELLS, WANT_INCIDENTS, WANT_N };

static enum wanted wanted_by(const struct command *c)
{
	static const struct {
		const char *word;
		enum wanted wanted;
	} words[] = {
		{ "show NAME|ID", WANT_INCIDENTS }, { "NAME", WANT_NAMES }, { "FILE", WANT_FILES }, { "VERB", WANT_VERBS }, { "SHELL", WANT_SHELLS },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strstr(c->args, words[i].word))
			return words[i].wanted;
	return WANT_NOTHING;
}

static bool is_known(const struct command *c, int flag)
{
	return (command_flags(c) >> flag) & 1UL;
}

/* "a|b" as "a b" */
static void put_choices(const char *choices)
{
	for (; *choices; choices++)
		(void)putchar(*choices == '|' ? ' ' : *choices);
}

static void put_verbs(const char *between)
{
	for (size_t i = 0; i < commands_n; i++)
		(void)printf("%s%s", i > 0 ? between : "", commands[i].name);
}

/* For single quotes of a shell. */
static void put_quoted(const char *s)
{
	for (; *s; s++)
		if (*s == '\'')
			(void)fputs("'\\''", stdout);
		else
			(void)putchar(*s);
}

/* --- bash ------------------------------------------------------------------------------------- */

static void bash_flag_values(void)
{
	(void)fputs("\tcase $prev in\n", stdout);
	for (int i = 0; i < FLAG_N; i++) {
		if (!flags[i].value)
			continue;
		(void)printf("\t--%s", flags[i].name);
		if (flags[i].letter)
			(void)printf("|-%c", flags[i].letter);
		(void)fputs(") ", stdout);
		if (flags[i].choices) {
			(void)fputs("mapfile -t COMPREPLY < <(compgen -W '", stdout);
			put_choices(flags[i].choices);
			(void)fputs("' -- \"$cur\"); ", stdout);
		} else if (str_equal(flags[i].value, "PATH")) {
			(void)fputs("mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); ", stdout);
		}
		(void)fputs("return ;;\n", stdout);
	}
	(void)fputs("\tesac\n", stdout);
}

static void bash_verb(const struct command *c)
{
	static const char *const sources[WANT_N] = {
		[WANT_NAMES] = "words+=\" $(zinit list --names 2> /dev/null)\"",
		[WANT_FILES] = "files=1",
		[WANT_VERBS] = "words+=\" $verbs\"",
		[WANT_SHELLS] = "words+=' bash zsh fish'",
		[WANT_INCIDENTS] = "words+=\" list show $(zinit list --names 2> /dev/null)\"",
	};
	enum wanted wanted = wanted_by(c);

	(void)printf("\t%s%s%s) words='", c->name, c->alias ? "|" : "", c->alias ? c->alias : "");
	for (int i = 0; i < FLAG_N; i++)
		if (is_known(c, i))
			(void)printf("--%s ", flags[i].name);
	(void)printf("'; %s ;;\n", sources[wanted] ? sources[wanted] : ":");
}

static void print_bash(void)
{
	(void)fputs("# bash completion of zinit: source <(zinit completion bash)\n"
		    "_zinit() {\n"
		    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb='' words='' files='' i\n"
		    "\tlocal verbs='", stdout);
	put_verbs(" ");
	(void)fputs("'\n\tCOMPREPLY=()\n", stdout);
	bash_flag_values();
	(void)fputs("\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		    "\t\tcase ${COMP_WORDS[i]} in\n"
		    "\t\t-s|--socket|--color|-t|--timeout) ((i++)) ;;\n"
		    "\t\t-*) ;;\n"
		    "\t\t*) verb=${COMP_WORDS[i]}; break ;;\n"
		    "\t\tesac\n"
		    "\tdone\n"
		    "\tcase $verb in\n"
		    "\t'') words=\"$verbs --socket --json --color --quiet --help --version --timeout\" ;;\n", stdout);
	for (size_t i = 0; i < commands_n; i++)
		bash_verb(&commands[i]);
	(void)fputs("\tesac\n"
		    "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\"; [ -z \"$files\" ] || compgen -f -- \"$cur\")\n"
		    "}\n"
		    "complete -F _zinit zinit\n", stdout);
}

/* --- zsh -------------------------------------------------------------------------------------- */

static void zsh_verb(const struct command *c)
{
	static const char *const sources[WANT_N] = {
		[WANT_NAMES] = "*:service:_zinit_names",
		[WANT_FILES] = "*:file:_files",
		[WANT_VERBS] = "*:verb:($verbs)",
		[WANT_SHELLS] = "*:shell:(bash zsh fish)",
		[WANT_INCIDENTS] = "1:what:(list show)\" \"*:service:_zinit_names",
	};
	enum wanted wanted = wanted_by(c);

	(void)printf("\t%s%s%s) _arguments", c->name, c->alias ? "|" : "", c->alias ? c->alias : "");
	for (int i = 0; i < FLAG_N; i++) {
		if (!is_known(c, i))
			continue;
		(void)printf(" --%s", flags[i].name);
		if (flags[i].value)
			(void)printf("='[]:%s:(", flags[i].value);
		if (flags[i].value && flags[i].choices)
			put_choices(flags[i].choices);
		if (flags[i].value)
			(void)fputs(")'", stdout);
	}
	(void)printf(" \"%s\" ;;\n", sources[wanted] ? sources[wanted] : "*:: :");
}

static void print_zsh(void)
{
	(void)fputs("#compdef zinit\n"
		    "# zsh completion of zinit: zinit completion zsh > \"${fpath[1]}/_zinit\"\n"
		    "_zinit_names() { compadd -- ${(f)\"$(zinit list --names 2> /dev/null)\"} }\n"
		    "_zinit() {\n"
		    "\tlocal verbs='", stdout);
	put_verbs(" ");
	(void)fputs("'\n"
		    "\tif (( CURRENT == 2 )); then\n"
		    "\t\tlocal -a all=(\n", stdout);
	for (size_t i = 0; i < commands_n; i++) {
		(void)printf("\t\t\t'%s:", commands[i].name);
		put_quoted(commands[i].doc);
		(void)fputs("'\n", stdout);
	}
	(void)fputs("\t\t)\n"
		    "\t\t_describe verb all\n"
		    "\t\treturn\n"
		    "\tfi\n"
		    "\tlocal verb=$words[2]\n"
		    "\tshift words\n"
		    "\t(( CURRENT-- ))\n"
		    "\tcase $verb in\n", stdout);
	for (size_t i = 0; i < commands_n; i++)
		zsh_verb(&commands[i]);
	(void)fputs("\tesac\n}\n_zinit \"$@\"\n", stdout);
}

/* --- fish ------------------------------------------------------------------------------------- */

static void fish_flag(const struct command *c, const struct flag *f)
{
	(void)printf("complete -c zinit -n '__fish_seen_subcommand_from %s' -l %s", c->name, f->name);
	if (f->letter)
		(void)printf(" -s %c", f->letter);
	if (f->value)
		(void)fputs(" -r", stdout);
	if (f->choices) {
		(void)fputs(" -a '", stdout);
		put_choices(f->choices);
		(void)putchar('\'');
	}
	(void)fputs(" -d '", stdout);
	put_quoted(f->doc);
	(void)fputs("'\n", stdout);
}

static void print_fish(void)
{
	static const char *const sources[WANT_N] = {
		[WANT_NOTHING] = "-f",
		[WANT_NAMES] = "-f -a '(zinit list --names 2> /dev/null)'",
		[WANT_FILES] = "-F",
		[WANT_VERBS] = "-f",
		[WANT_SHELLS] = "-f -a 'bash zsh fish'",
		[WANT_INCIDENTS] = "-f -a 'list show (zinit list --names 2> /dev/null)'",
	};

	(void)fputs("# fish completion of zinit: zinit completion fish > ~/.config/fish/completions/zinit.fish\n", stdout);
	for (size_t i = 0; i < commands_n; i++) {
		const struct command *c = &commands[i];

		(void)printf("complete -c zinit -f -n __fish_use_subcommand -a %s -d '", c->name);
		put_quoted(c->doc);
		(void)printf("'\ncomplete -c zinit -n '__fish_seen_subcommand_from %s' %s\n", c->name, sources[wanted_by(c)]);
		for (int j = 0; j < FLAG_N; j++)
			if (is_known(c, j))
				fish_flag(c, &flags[j]);
	}
}

int cmd_completion(struct cli *cli, int argc, char **argv)
{
	static const struct {
		const char *shell;
		void (*print)(void);
	} shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };

	(void)argc;
	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		if (!str_equal(argv[0], shells[i].shell))
			continue;
		shells[i].print();
		return EXIT_DONE;
	}
	return say_usage(cli, "no completion for '%s': bash, zsh or fish", argv[0]);
}
