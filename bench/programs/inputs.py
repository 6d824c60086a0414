#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes the inputs of the real programs: the same bytes on every machine.

    inputs.py FOLDER

sort.json    lines of JSON with ids, names and times, as services log them  (sort)
xz.json      the first part of it                                           (xz)
big.c        many functions, as a generated parser has them                 (cc1)
queries.sql  an in-memory database with indices, and joins over it          (sqlite3)
"""
import os
import random
import sys

NAMES = "amber birch cedar dune ember fjord grove heath iris jade kelp larch moss nimbus".split()
STATES = ("new", "paid", "packed", "sent", "returned")


def record(dice, number):
    return ('{"id": %d, "order": "%08x-%04x", "name": "%s %s", "state": "%s", '
            '"at": "2024-%02d-%02dT%02d:%02d:%02d", "total": %d.%02d}\n' % (
                number, dice.getrandbits(32), dice.getrandbits(16), dice.choice(NAMES),
                dice.choice(NAMES), dice.choice(STATES), dice.randint(1, 12),
                dice.randint(1, 28), dice.randrange(24), dice.randrange(60),
                dice.randrange(60), dice.randrange(900), dice.randrange(100)))


def records(path, count):
    dice = random.Random(1)
    with open(path, "w", encoding="ascii") as out:
        for _ in range(count):
            out.write(record(dice, dice.randrange(10 ** 9)))


def texts(path, count):
    """Long records under a random key."""
    dice = random.Random(5)
    words = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(2, 9)))
             for _ in range(4000)]
    with open(path, "w", encoding="ascii") as out:
        for _ in range(count):
            out.write("%010d %s\n" % (dice.randrange(10 ** 10),
                                      " ".join(dice.choices(words, k=200))))


def accesses(path, count):
    """A web server's log."""
    dice, now = random.Random(6), 1700000000
    with open(path, "w", encoding="ascii") as out:
        for _ in range(count):
            now += dice.randrange(3)
            out.write('%d GET /%s 200 "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"\n' % (
                now, dice.choice(NAMES[:10])))


def statement(dice, variables, depth=0):
    a, b, c = (dice.choice(variables) for _ in range(3))
    kind = dice.randrange(5 if depth < 2 else 3)
    if kind == 0:
        return "%s = %s * %d + (%s >> %d);" % (a, b, dice.randrange(99), c, dice.randrange(7))
    if kind == 1:
        return "table[%s & 255] ^= %s - %d;" % (a, b, dice.randrange(999))
    if kind == 2:
        return "%s += table[(%s + %d) & 255];" % (a, c, dice.randrange(255))
    body = " ".join(statement(dice, variables, depth + 1) for _ in range(3))
    if kind == 3:
        return "if (%s < %s) { %s }" % (a, b, body)
    return "for (int i%d = 0; i%d < (%s & 15); i%d++) { %s }" % (depth, depth, a, depth, body)


def source(path, functions):
    dice = random.Random(2)
    with open(path, "w", encoding="ascii") as out:
        out.write("static unsigned int table[256];\n")
        for number in range(functions):
            out.write("unsigned int f%d(unsigned int a, unsigned int b, unsigned int c)\n{\n"
                      "\tunsigned int d = a ^ b, e = b + c;\n" % number)
            for _ in range(20):
                out.write("\t%s\n" % statement(dice, "abcde"))
            if number:
                out.write("\te += f%d(d, a, b);\n" % dice.randrange(number))
            out.write("\treturn d + e;\n}\n")


QUERIES = """PRAGMA temp_store = MEMORY;
CREATE TABLE item(id INTEGER PRIMARY KEY, code TEXT, city INT, price INT, note TEXT);
INSERT INTO item
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %(rows)d)
  SELECT i, printf('%%08x-%%d', i * 2654435761 %% 4294967296, i), i * 7919 %% 1000,
         i * 104729 %% 100000, printf('ordered by customer %%d, sent to depot %%d', i %% 9973, i %% 53)
  FROM n;
CREATE INDEX item_code ON item(code);
CREATE INDEX item_price ON item(price, city);
SELECT count(*), sum(length(note)) FROM item WHERE price BETWEEN 1000 AND 4000;
SELECT city, count(*), max(code) FROM item WHERE city < 40 GROUP BY city ORDER BY city;
SELECT count(*) FROM item a JOIN item b ON b.code = printf('%%08x-%%d', (a.id * 31 %% %(rows)d + 1)
  * 2654435761 %% 4294967296, a.id * 31 %% %(rows)d + 1) WHERE a.id %% 12 = 0;
UPDATE item SET price = price + 1 WHERE id %% 10 = 3;
SELECT sum(price), min(code), max(code) FROM item;
"""


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    records(os.path.join(folder, "sort.json"), 1600000)
    records(os.path.join(folder, "xz.json"), 180000)
    source(os.path.join(folder, "big.c"), 1000)
    with open(os.path.join(folder, "queries.sql"), "w", encoding="ascii") as out:
        out.write(QUERIES % {"rows": 1200000})


if __name__ == "__main__":
    main()
