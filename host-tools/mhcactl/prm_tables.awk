# SPDX-License-Identifier: GPL-2.0-only
#
# awk -f prm_tables.awk prm.h mlx5_ifc.h: the driver's counters and syndromes with
# their texts, and the names of commands, as C. The headers are the one place where
# each is written down.

BEGIN { counters = 0; syndromes = 0; opcodes = 0 }

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

/^\tMLX5_CMD_OP_[A-Z0-9_]+ *= 0x[0-9a-fA-F]+,/ {
	name = $1
	sub(/^MLX5_CMD_OP_/, "", name)
	if (name == "MAX")
		next
	value = $3
	sub(/,$/, "", value)
	opcode[opcodes] = value
	opcode_name[opcodes++] = name
}

END {
	if (failed)
		exit 1
	if (!counters || !syndromes || base == "" || !opcodes)
		fail("counters, syndromes, their base or opcodes not found")
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
	print "const struct prm_opcode prm_opcodes[] = {"
	for (i = 0; i < opcodes; i++)
		printf "\t{ %s, \"%s\" },\n", opcode[i], opcode_name[i]
	print "\t{ 0, NULL }\n};\n"
	printf "const unsigned int prm_syndrome_count = %d;\n", syndromes
	printf "const unsigned int prm_syndrome_base = %s;\n", base
}
