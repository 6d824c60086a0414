#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A Python program that is all heap: objects in dicts and lists, found by key, changed, walked.

    heap.py [OBJECTS]

Prints one number that depends on every object.
"""
import random
import sys


class Order:
    def __init__(self, number, dice):
        self.number = number
        self.customer = "customer-%d" % dice.randrange(50000)
        self.lines = [(dice.randrange(1000), dice.random()) for _ in range(3)]
        self.tags = {"state": dice.choice(("new", "paid", "sent")), "weight": dice.randrange(9999)}


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300000
    dice = random.Random(7)
    orders = {number: Order(number, dice) for number in range(count)}
    by_customer = {}
    for order in orders.values():
        by_customer.setdefault(order.customer, []).append(order)
    total = 0
    for _ in range(count // 10):
        order = orders[dice.randrange(count)]
        order.tags["weight"] += 1
        total += order.tags["weight"] + order.lines[0][0]
    for _ in range(count // 100):
        for order in by_customer.get("customer-%d" % dice.randrange(50000), ()):
            total += len(order.customer) + order.number
    for number in range(0, count, 3):
        total += orders[number].lines[2][0]
    print(total)


if __name__ == "__main__":
    main()
