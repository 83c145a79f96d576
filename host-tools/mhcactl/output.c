// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables and JSON.
 */
#include <ctype.h>
#include <string.h>

#include "output.h"

/* ---- Values ----------------------------------------------------------- */

/**
 * struct scale - how a number is shortened
 * @step: 1000 or 1024
 * @units: suffix of each power
 * @powers: how many
 */
struct scale {
	double step;
	const char *const *units;
	int powers;
};

static const char *const short_units[] = { "", "k", "M", "G", "T", "P", "E" };
static const char *const byte_units[] = { " B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB" };
static const char *const bit_units[] = {
	" bit/s", " kbit/s", " Mbit/s", " Gbit/s", " Tbit/s", " Pbit/s", " Ebit/s"
};

static const struct scale scales[] = {
	[FORMAT_SHORT] = { 1000, short_units, 7 },
	[FORMAT_BYTES] = { 1024, byte_units, 7 },
	[FORMAT_BITS] = { 1000, bit_units, 7 },
};

static void format_scaled(char *text, size_t size, const struct scale *scale, double number)
{
	int power = 0;

	/* What would be printed as 1000 or 1024 of a unit is 1 of the next. */
	while (power + 1 < scale->powers && number >= scale->step - 0.5) {
		number /= scale->step;
		power++;
	}
	snprintf(text, size, power && number < 999.5 ? "%.1f%s" : "%.0f%s", number,
		 scale->units[power]);
}

void format_number(char *text, size_t size, enum format format, double number)
{
	switch (format) {
	case FORMAT_BITS:
		format_scaled(text, size, &scales[format], number * 8);
		break;
	case FORMAT_SHORT:
	case FORMAT_BYTES:
		format_scaled(text, size, &scales[format], number);
		break;
	case FORMAT_PERCENT:
		snprintf(text, size, "%.1f", number);
		break;
	case FORMAT_TEXT:
	case FORMAT_NUMBER:
		snprintf(text, size, "%.0f", number);
		break;
	}
}

static void format_array(char *text, size_t size, json_object *array)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < json_object_array_length(array) && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "",
				 json_object_get_string(json_object_array_get_idx(array, i)));
}

void format_value(char *text, size_t size, enum format format, json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_null:
		snprintf(text, size, "-");
		break;
	case json_type_boolean:
		snprintf(text, size, json_object_get_boolean(value) ? "yes" : "no");
		break;
	case json_type_int:
		if (format == FORMAT_TEXT || format == FORMAT_NUMBER) {
			snprintf(text, size, "%s", json_object_get_string(value));
			break;
		}
		format_number(text, size, format, json_object_get_double(value));
		break;
	case json_type_double:
		format_number(text, size, format, json_object_get_double(value));
		break;
	case json_type_array:
		format_array(text, size, value);
		break;
	default:
		snprintf(text, size, "%s", json_object_get_string(value));
		break;
	}
	for (char *c = text; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
}

json_object *json_get(json_object *object, const char *key)
{
	char name[64];

	while (object) {
		size_t len = strcspn(key, ".");
		json_object *member = NULL;

		if (len >= sizeof(name) || !json_object_is_type(object, json_type_object))
			return NULL;
		memcpy(name, key, len);
		name[len] = '\0';
		json_object_object_get_ex(object, name, &member);
		if (!key[len])
			return member;
		object = member;
		key += len + 1;
	}
	return NULL;
}

/* ---- Tables ----------------------------------------------------------- */

#define COLUMNS_MAX	24

/* Characters, not bytes, of UTF-8 text. */
static int text_width(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* Width of a column, 0: it is left out. */
static int column_width(json_object *rows, const struct column *column)
{
	int width = text_width(column->title);
	bool any = !column->optional;
	char text[FORMAT_MAX];

	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		json_object *value = json_get(json_object_array_get_idx(rows, i), column->key);
		int len;

		any |= value && *json_object_get_string(value);
		format_value(text, sizeof(text), column->format, value);
		len = text_width(text);
		width = len > width ? len : width;
	}
	return any ? width : 0;
}

/* The last column of a line is not padded. */
static void print_cell(FILE *out, const char *text, int width, bool right, bool last)
{
	int fill = width - text_width(text);

	if (right)
		fprintf(out, "%*s%s", fill, "", text);
	else if (last)
		fputs(text, out);
	else
		fprintf(out, "%s%*s", text, fill, "");
	fputs(last ? "\n" : "  ", out);
}

void output_table(FILE *out, json_object *rows, const struct column *columns)
{
	const struct column *shown[COLUMNS_MAX];
	int width[COLUMNS_MAX];
	char text[FORMAT_MAX];
	int n = 0;

	for (const struct column *c = columns; c->key && n < COLUMNS_MAX; c++) {
		width[n] = column_width(rows, c);
		if (width[n])
			shown[n++] = c;
	}
	for (int i = 0; i < n; i++)
		print_cell(out, shown[i]->title, width[i], shown[i]->format != FORMAT_TEXT,
			   i == n - 1);
	for (size_t r = 0; r < json_object_array_length(rows); r++) {
		json_object *row = json_object_array_get_idx(rows, r);

		for (int i = 0; i < n; i++) {
			format_value(text, sizeof(text), shown[i]->format,
				     json_get(row, shown[i]->key));
			print_cell(out, text, width[i], shown[i]->format != FORMAT_TEXT,
				   i == n - 1);
		}
	}
}

void output_members(FILE *out, const char *title, json_object *object, bool zeros)
{
	char text[FORMAT_MAX];
	bool any = false;

	json_object_object_foreach(object, key, value) {
		if (!zeros && json_object_is_type(value, json_type_int) &&
		    !json_object_get_int64(value))
			continue;
		if (!any)
			fprintf(out, "%s\n", title);
		any = true;
		format_value(text, sizeof(text), FORMAT_TEXT, value);
		fprintf(out, "  %-18s %s\n", key, *text ? text : "\"\"");
	}
}

/* ---- JSON ------------------------------------------------------------- */

json_object *output_document(const char *name, json_object *content)
{
	json_object *document = json_object_new_object();

	json_object_object_add(document, "version", json_object_new_int(OUTPUT_VERSION));
	json_object_object_add(document, name, content);
	return document;
}

void output_json(const struct ctl *ctl, json_object *document, bool line)
{
	int flags = JSON_C_TO_STRING_NOSLASHESCAPE;

	flags |= line ? JSON_C_TO_STRING_PLAIN :
			JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;
	fprintf(ctl->out, "%s\n", json_object_to_json_string_ext(document, flags));
	fflush(ctl->out);
	json_object_put(document);
}

void output_rows(const struct ctl *ctl, const char *name, json_object *rows,
		 const struct column *columns)
{
	if (ctl->json) {
		output_json(ctl, output_document(name, rows), false);
		return;
	}
	output_table(ctl->out, rows, columns);
	json_object_put(rows);
}
