# SPDX-License-Identifier: MIT
# A C file as long as a usual one: functions with loops, tables and calls.
# -v n=FILE-NUMBER -v functions=HOW-MANY
BEGIN {
	srand(n)
	print "#include <string.h>"
	print "struct item { int key; long values[16]; const char *name; struct item *next; };"
	for (f = 0; f < functions; f++) {
		printf "static long work%d(struct item *item, long argument)\n{\n", f
		printf "\tlong table[8] = {%d, %d, %d, %d}, sum = argument;\n",
			rand() * 999, rand() * 999, f, n
		print "\tfor (struct item *at = item; at; at = at->next) {"
		for (s = 0; s < 8; s++) {
			printf "\t\tif (at->key %% %d == %d)\n", s + 2, rand() * s
			printf "\t\t\tsum += at->values[%d] * table[%d] + strlen(at->name);\n",
				s + n % 8, s
			printf "\t\telse\n\t\t\ttable[%d] ^= sum >> %d;\n", s, rand() * 31
		}
		print "\t}"
		if (f)
			printf "\treturn sum > %d ? sum : work%d(item, sum + 1);\n}\n",
				rand() * 9999, int(rand() * f)
		else
			print "\treturn sum;\n}"
	}
	print "long entry" n "(struct item *item)\n{\n\tlong sum = 0;"
	for (f = 0; f < functions; f++)
		printf "\tsum += work%d(item, %d);\n", f, f
	print "\treturn sum;\n}"
}
