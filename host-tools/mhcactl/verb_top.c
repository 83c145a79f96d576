// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcactl top: a live view of instances and lanes.
 */
#include <ctype.h>
#include <errno.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "sample.h"

#define INTERVAL_DEFAULT	2.0
#define INTERVAL_MIN		0.1
#define INTERVAL_MAX		3600.0
#define UUID_SHORT		13
/* Bars of lanes: as many as fit, at most this wide. */
#define BAR_WIDTH		16

/* ---- Columns ------------------------------------------------------------- */

enum source { SOURCE_RATE, SOURCE_COUNTER, SOURCE_PINNED };

/**
 * struct view_column - a number in the table
 * @title: heading
 * @key: key that sorts by it
 * @source: rate of a counter or its value
 * @counter: counter
 * @format: how it is shown
 * @width: characters
 */
struct view_column {
	const char *title;
	char key;
	enum source source;
	const char *counter;
	enum format format;
	int width;
};

static const struct view_column columns[] = {
	{ "RATE", 'b', SOURCE_RATE, "bytes", FORMAT_BITS, 12 },
	{ "MSG/s", 'm', SOURCE_RATE, "messages", FORMAT_SHORT, 7 },
	{ "CMD/s", 'c', SOURCE_RATE, "commands", FORMAT_SHORT, 7 },
	{ "FAULT/s", 'f', SOURCE_RATE, "doorbell_faults", FORMAT_SHORT, 8 },
	{ "ERR/s", 'e', SOURCE_RATE, "error_cqes", FORMAT_SHORT, 6 },
	{ "QP", 'o', SOURCE_COUNTER, "objects_qp", FORMAT_SHORT, 6 },
	{ "MKEY", 'k', SOURCE_COUNTER, "objects_mkey", FORMAT_SHORT, 6 },
	{ "PINNED", 'p', SOURCE_PINNED, "pinned_pages", FORMAT_BYTES, 11 },
};

#define N_COLUMNS	((int)(sizeof(columns) / sizeof(*columns)))

/**
 * struct row - an instance on the screen
 * @instance: instance, of the newest sample
 * @value: numbers by column
 */
struct row {
	const struct instance *instance;
	double value[N_COLUMNS];
};

/**
 * struct view - what the screen shows
 * @ctl: the run
 * @interval: seconds between two samples
 * @before: previous sample
 * @now: newest sample
 * @rows: instances in the order of the table
 * @sort: column, -1: by UUID
 * @idle: closed instances are shown too
 * @scroll: first row on the screen
 */
struct view {
	const struct ctl *ctl;
	double interval;
	struct sample before;
	struct sample now;
	struct row *rows;
	int n_rows;
	int sort;
	bool idle;
	int scroll;
};

/* qsort() has no argument for it. */
static int sort_column;

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	double difference = sort_column < 0 ? 0 : y->value[sort_column] - x->value[sort_column];

	if (difference)
		return difference > 0 ? 1 : -1;
	return strcmp(x->instance->uuid, y->instance->uuid);
}

static double column_value(const struct view *view, const struct view_column *column,
			   const struct instance *instance)
{
	switch (column->source) {
	case SOURCE_RATE:
		return sample_rate(&view->before, &view->now, instance, column->counter);
	case SOURCE_PINNED:
		return (double)instance_counter(instance, column->counter) * PINNED_PAGE;
	case SOURCE_COUNTER:
		break;
	}
	return (double)instance_counter(instance, column->counter);
}

static void make_rows(struct view *view)
{
	const struct host *host = &view->now.host;

	free(view->rows);
	view->rows = ctl_alloc(host->n_instances, sizeof(*view->rows));
	view->n_rows = 0;
	for (size_t i = 0; i < host->n_instances; i++) {
		struct row *row = &view->rows[view->n_rows];

		if (!view->idle && !host->instances[i].open)
			continue;
		row->instance = &host->instances[i];
		for (int c = 0; c < N_COLUMNS; c++)
			row->value[c] = column_value(view, &columns[c], row->instance);
		view->n_rows++;
	}
	sort_column = view->sort;
	qsort(view->rows, (size_t)view->n_rows, sizeof(*view->rows), compare_rows);
}

/* ---- Drawing ---------------------------------------------------------------- */

static void draw_header(const struct view *view)
{
	const struct host *host = &view->now.host;
	size_t open = 0;

	for (size_t i = 0; i < host->n_instances; i++)
		open += host->instances[i].open;
	mvprintw(0, 0, "mhcactl top - %zu HCA, %zu instances, %zu in use; every %g s",
		 host->parents.count, host->n_instances, open, view->interval);
	clrtoeol();
}

/* Sum of a column over all instances, shown or not. */
static double total(const struct view *view, int column)
{
	double sum = 0;

	for (size_t i = 0; i < view->now.host.n_instances; i++)
		sum += column_value(view, &columns[column], &view->now.host.instances[i]);
	return sum;
}

static void draw_total(const struct view *view, int line)
{
	char text[FORMAT_MAX];

	move(line, 0);
	printw("Total ");
	for (int c = 0; c < N_COLUMNS; c++) {
		if (columns[c].source == SOURCE_COUNTER)
			continue;
		format_number(text, sizeof(text), columns[c].format, total(view, c));
		printw(" %s %s ", columns[c].title, text);
	}
	clrtoeol();
}

static void draw_bar(int y, int x, int width, double percent)
{
	int filled = percent > 0 ? (int)(percent / 100 * width + 0.5) : 0;

	mvaddch(y, x, '[');
	for (int i = 0; i < width; i++)
		addch(i < filled ? '|' : ' ');
	addch(']');
}

/* Two lanes to a line of 80 characters. The line behind. */
static int draw_lanes(const struct view *view, int line)
{
	const int cell = BAR_WIDTH + 22;
	int per_line = COLS / cell > 0 ? COLS / cell : 1;
	size_t most = (size_t)per_line * (size_t)(LINES > 12 ? LINES / 4 : 1);

	for (size_t i = 0; i < view->now.n_lanes && i < most; i++) {
		const struct lane *lane = &view->now.lanes[i];
		double load = sample_lane_load(&view->before, &view->now, lane);
		int x = (int)(i % (size_t)per_line) * cell;

		if (i && !x)
			line++;
		move(line, x);
		clrtoeol();
		mvprintw(line, x, "Lane %-3d", lane->index);
		draw_bar(line, x + 9, BAR_WIDTH, load);
		printw(" %5.1f%%", load < 0 ? 0 : load);
	}
	if (!view->now.n_lanes) {
		mvprintw(line, 0, "No lanes: mhca_soft is not loaded");
		clrtoeol();
	}
	return line + 1;
}

static void draw_titles(const struct view *view, int line, int uuid_width)
{
	move(line, 0);
	attron(A_REVERSE);
	printw("%-*s %-11s %-11s", uuid_width, "UUID", "TYPE", "STATE");
	for (int c = 0; c < N_COLUMNS; c++) {
		if (c == view->sort)
			attron(A_BOLD);
		printw(" %*s", columns[c].width, columns[c].title);
		attroff(A_BOLD);
	}
	for (int x = getcurx(stdscr); x < COLS && getcury(stdscr) == line; x++)
		addch(' ');
	attroff(A_REVERSE);
}

static void draw_row(const struct row *row, int line, int uuid_width)
{
	const struct instance *instance = row->instance;
	char text[FORMAT_MAX];

	mvprintw(line, 0, "%-*.*s %-11.11s %-11.11s", uuid_width, uuid_width, instance->uuid,
		 instance->type + strlen(TYPE_PREFIX), instance->state);
	for (int c = 0; c < N_COLUMNS; c++) {
		if (columns[c].source == SOURCE_RATE && !row->value[c])
			snprintf(text, sizeof(text), "-");
		else
			format_number(text, sizeof(text), columns[c].format, row->value[c]);
		printw(" %*s", columns[c].width, text);
	}
	clrtoeol();
}

static void draw(struct view *view)
{
	int fixed = 1 + 11 + 1 + 11;
	int line, uuid_width, room;

	for (int c = 0; c < N_COLUMNS; c++)
		fixed += 1 + columns[c].width;
	uuid_width = COLS - fixed >= UUID_LEN ? UUID_LEN : UUID_SHORT;

	erase();
	draw_header(view);
	line = draw_lanes(view, 1);
	draw_total(view, line++);
	line++;
	draw_titles(view, line++, uuid_width);

	room = LINES - line - 1;
	if (view->scroll > view->n_rows - room)
		view->scroll = view->n_rows - room;
	if (view->scroll < 0)
		view->scroll = 0;
	for (int i = 0; i < room && view->scroll + i < view->n_rows; i++)
		draw_row(&view->rows[view->scroll + i], line + i, uuid_width);
	if (!view->n_rows)
		mvprintw(line, 0, view->idle ? "no instance" : "no instance in use");
	mvprintw(LINES - 1, 0, "q quit  space now  +/- interval  i idle  sort: u uuid  "
		 "b m c f e o k p");
	refresh();
}

/* ---- The loop ------------------------------------------------------------------ */

/* Take a sample; the view never has less than one. */
static int next_sample(struct view *view)
{
	struct sample sample;
	int ret = sample_take(view->ctl, &sample, 0);

	if (ret) {
		sample_free(&sample);
		return ret;
	}
	sample_free(&view->before);
	view->before = view->now;
	view->now = sample;
	make_rows(view);
	return CTL_OK;
}

static void change_interval(struct view *view, double factor)
{
	double interval = view->interval * factor;

	if (interval >= INTERVAL_MIN && interval <= INTERVAL_MAX)
		view->interval = interval;
}

/* false: quit. *@sample: take a new sample now. */
static bool handle_key(struct view *view, int key, bool *sample)
{
	switch (key) {
	case 'q':
	case 'Q':
	case 27:
		return false;
	case ERR:
	case ' ':
		*sample = true;
		break;
	case '+':
		change_interval(view, 2);
		break;
	case '-':
		change_interval(view, 0.5);
		break;
	case 'i':
		view->idle = !view->idle;
		break;
	case 'u':
		view->sort = -1;
		break;
	case KEY_UP:
		view->scroll--;
		break;
	case KEY_DOWN:
		view->scroll++;
		break;
	case KEY_PPAGE:
		view->scroll -= LINES / 2;
		break;
	case KEY_NPAGE:
		view->scroll += LINES / 2;
		break;
	default:
		for (int c = 0; c < N_COLUMNS; c++)
			if (key == columns[c].key)
				view->sort = c;
	}
	return true;
}

static int loop(struct view *view)
{
	bool sample;
	int ret = CTL_OK;

	for (;;) {
		draw(view);
		timeout((int)(view->interval * 1000));
		sample = false;
		if (!handle_key(view, getch(), &sample))
			return CTL_OK;
		if (sample)
			ret = next_sample(view);
		else
			make_rows(view);
		if (ret)
			return ret;
	}
}

static int top(const struct ctl *ctl, double interval)
{
	struct view view = { .ctl = ctl, .interval = interval, .idle = true };
	SCREEN *screen = NULL;
	int ret = next_sample(&view);

	if (ret)
		goto out;
	screen = newterm(NULL, stdout, stdin);
	if (!screen) {
		ctl_error("this terminal (TERM=%s) cannot show it; use 'mhcactl stats --watch'",
			  getenv("TERM") ? getenv("TERM") : "");
		ret = CTL_FAILED;
		goto out;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	ret = loop(&view);
	endwin();
	delscreen(screen);
	if (ret)
		ctl_note("the driver has gone");
out:
	free(view.rows);
	sample_free(&view.before);
	sample_free(&view.now);
	return ret;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "interval", required_argument, NULL, 'd' },
		CTL_LONG
	};
	double interval = INTERVAL_DEFAULT;
	int opt, ret;

	while ((opt = ctl_getopt(ctl, argc, argv, "d:" CTL_SHORT, longs)) != -1) {
		if (opt != 'd')
			return ctl_usage(ctl, opt);
		if (ctl_number("--interval", optarg, INTERVAL_MIN, INTERVAL_MAX, &interval))
			return CTL_USAGE;
	}
	ret = ctl_arguments(ctl, argc - optind, 0, 0);
	if (ret)
		return ret;
	if (ctl->json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		ctl_error("top needs a terminal; use 'mhcactl stats --watch'");
		return CTL_USAGE;
	}
	return top(ctl, interval);
}

const struct verb verb_top = {
	.name = "top",
	.args = "[OPTION]...",
	.summary = "Live view of instances, rates and lanes",
	.options =
	"  -d, --interval=SECONDS time between two refreshes (2)\n",
	.run = run,
};
