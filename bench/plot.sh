#!/bin/sh
# SPDX-License-Identifier: MIT
# The plots of docs/benchmarks.md: plot.sh RESULTS_FOLDER PLOTS_FOLDER
set -eu

here=$(cd "$(dirname "$0")" && pwd)
results=$1 plots=$2
command -v gnuplot >/dev/null || { echo "plot: no gnuplot here, so no plots" >&2; exit 0; }
data=$(mktemp -d "${TMPDIR:-/tmp}/vswap-plot.XXXXXX")
trap 'rm -rf "$data"' EXIT
trap 'exit 130' INT TERM HUP
python3 "$here/plot_data.py" "$results" "$data"
mkdir -p "$plots"

style='set terminal svg size 760,420 font "sans-serif,13" background "white"
set border 3 lc rgb "#555555"
set tics nomirror textcolor rgb "#333333"
set grid ytics lc rgb "#dddddd" lw 1
set key top left reverse Left samplen 2
set style line 1 lc rgb "#0b6e4f" lw 2.5 pt 7 ps 0.6
set style line 2 lc rgb "#c8553d" lw 2 pt 5 ps 0.5
set style line 3 lc rgb "#e0a458" lw 2 pt 9 ps 0.6
set style line 4 lc rgb "#5b7db1" lw 2 pt 11 ps 0.6
set style line 5 lc rgb "#8a6fa8" lw 2 pt 13 ps 0.6
set style line 6 lc rgb "#999999" lw 2 pt 2 ps 0.5
set style line 7 lc rgb "#444444" lw 2 pt 3 ps 0.5'

draw() {
	name=$1
	[ -s "$data/$name.dat" ] || return 0
	{ echo "$style"; echo "set output '$plots/$name.svg'"; cat; } | gnuplot
}

draw speed <<END
set title "1 GiB of data, a quarter resident, one thread: ns a page"
set style data histograms
set style histogram clustered gap 1.5
set style fill solid 0.9 noborder
set boxwidth 0.9
set yrange [0:*]
set key top right
plot for [i=2:$(head -n 2 "$data/speed.dat" 2>/dev/null | tail -n 1 | wc -w)] "$data/speed.dat" \
	using i:xtic(1) ls i-1 title columnheader(i)
END

draw latency <<END
set title "Random reads, one thread: how many of the faults took longer"
set logscale xy
set format x "%.0s %c"
set xlabel "microseconds"
set ylabel "share of faults"
set format y "10^{%L}"
set xrange [1:50000]
set yrange [0.00001:1]
set format x "%g"
set key top right
names = system("cut -d' ' -f1 '$data/latency.dat' | uniq")
plot for [i=1:words(names)] "< grep '^".word(names, i)." ' '$data/latency.dat'" \
	using 2:3 with lines ls i title word(names, i)
END

draw slowdown <<END
set title "A Python heap: time against its budget (1 = alone)"
set xlabel "budget, % of the memory it wants"
set ylabel "times slower"
set yrange [0:*]
set xrange [15:105]
set key top right
names = system("cut -d' ' -f1 '$data/slowdown.dat' | uniq")
plot for [i=1:words(names)] "< grep '^".word(names, i)." ' '$data/slowdown.dat'" \
	using 2:3 with linespoints ls i title word(names, i)
END

draw overhead <<END
set title "32 GiB of swap: memory beside the stored bytes"
set xlabel "slots in use, %"
set ylabel "MB"
set yrange [0:*]
set xrange [0:100]
plot "$data/overhead.dat" using 1:2 with linespoints ls 1 title "vswap, compressed RAM", \
	"" using 1:3 with linespoints ls 4 title "vswap, disk", \
	"" using 1:4 with linespoints ls 6 title "kernel, zswap", \
	"" using 1:5 with linespoints ls 2 title "kernel, zswap, virtual", \
	"" using 1:6 with linespoints ls 7 title "kernel, disk", \
	"" using 1:7 with linespoints ls 3 title "kernel, disk, virtual"
END
