# SPDX-License-Identifier: GPL-2.0-only
#
# awk -f prm_tables.awk prm.h: the driver's counters and syndromes with their
# texts, as C. The header is the one place where both are written down.

BEGIN { counters = 0; syndromes = 0 }

function fail(why) {
	print "prm_tables.awk: " why > "/dev/stderr"
	failed = 1
	exit 1
}

/^#define MHCA_SYNDROME_BASE/ { base = $3 }

/^#define MHCA_SYNDROMES\(X\)/ { table = "syndrome"; next }
/^#define MHCA_COUNTERS\(X\)/ { table = "counter"; next }

table == "syndrome" && /X\(/ {
	if (!match($0, /"[^"]*"/))
		fail("no text in: " $0)
	syndrome[syndromes++] = substr($0, RSTART, RLENGTH)
}

table == "counter" && /X\(/ {
	name = $0
	sub(/.*X\(/, "", name)
	sub(/[,)].*/, "", name)
	help = $0
	if (!sub(/.*\/\*[ \t]*/, "", help) || !sub(/[ \t]*\*\/.*/, "", help))
		help = name
	gsub(/["\\]/, "", help)
	# Out of its table, "of these" says nothing.
	if (counters)
		sub(/^of these/, "of " leader, help)
	if (help !~ /^of /)
		leader = name
	counter[counters] = name
	text[counters++] = help
}

table != "" && !/\\$/ { table = "" }

END {
	if (failed)
		exit 1
	if (!counters || !syndromes || base == "")
		fail("counters, syndromes or their base not found")
	print "/* Made by prm_tables.awk from mhca/prm.h. */"
	print "#include \"host.h\"\n"
	print "const struct prm_counter prm_counters[] = {"
	for (i = 0; i < counters; i++)
		printf "\t{ \"%s\", \"%s\" },\n", counter[i], text[i]
	print "\t{ NULL, NULL }\n};\n"
	print "const char *const prm_syndromes[] = {"
	for (i = 0; i < syndromes; i++)
		printf "\t%s,\n", syndrome[i]
	print "};\n"
	printf "const unsigned int prm_syndrome_count = %d;\n", syndromes
	printf "const unsigned int prm_syndrome_base = %s;\n", base
}
