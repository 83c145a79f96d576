/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Results: tables for people, JSON for programs. Both are made from the same
 * JSON values, so that they cannot say different things.
 */
#ifndef MHCACTL_OUTPUT_H
#define MHCACTL_OUTPUT_H

#include <json-c/json.h>

#include "mhcactl.h"

/* Version of the JSON documents; a change that breaks readers raises it. */
#define OUTPUT_VERSION	1

/* How a value is shown in a table. null is shown as "-". */
enum format {
	FORMAT_TEXT,		/* as it is, left-aligned; yes or no */
	FORMAT_NUMBER,		/* as it is, right-aligned */
	FORMAT_SHORT,		/* 12.3k */
	FORMAT_BYTES,		/* 12.3 MiB */
	FORMAT_BITS,		/* bytes per second as 12.3 Gbit/s */
	FORMAT_PERCENT,		/* 12.3 */
};

/**
 * struct column - of a table
 * @key: member of the row; "a.b": member b of its member a
 * @title: heading
 * @format: how values are shown
 * @optional: left out when no row has a value
 */
struct column {
	const char *key;
	const char *title;
	enum format format;
	bool optional;
};

#define FORMAT_MAX	256

/* One value as text, without control characters. */
void format_value(char *text, size_t size, enum format format, json_object *value);
void format_number(char *text, size_t size, enum format format, double number);
/* Member of a member: "a.b". NULL when there is none. */
json_object *json_get(json_object *object, const char *key);

/* @rows: array of objects. Columns end with .key = NULL. */
void output_table(FILE *out, json_object *rows, const struct column *columns);
/* Members of an object, one per line, indented: a detailed view. */
void output_members(FILE *out, const char *title, json_object *object, bool zeros);
/* A list under a member: {"version": 1, @name: @array}; takes both. */
json_object *output_document(const char *name, json_object *content);
/* Print and release a document; @line: on a single line (streams). */
void output_json(const struct ctl *ctl, json_object *document, bool line);
/* The rows as a table or as a document; takes @rows. */
void output_rows(const struct ctl *ctl, const char *name, json_object *rows,
		 const struct column *columns);

#endif /* MHCACTL_OUTPUT_H */
