# SPDX-License-Identifier: MIT
# Completion of vswap for fish.

# vswap_at WORD VERB...: the verb is one of these, and the cursor is at its argument WORD (1, 2)
# or, if WORD is 0, anywhere.
function __vswap_at
	set -l words (commandline -opc)
	set -q words[2]; and contains -- $words[2] $argv[2..-1]; or return 1
	test $argv[1] = 0 -o (count $words) = (math $argv[1] + 1)
end

# The command of `vswap run' as far as it is written; false before it starts.
function __vswap_command
	set -l words (commandline -opc) (commandline -ct)
	test "$words[2]" = run; or return 1
	argparse -s m/memory= b/backend= s/stats= q/quiet -- $words[3..-1] 2>/dev/null
	string match -qv -- '-*' $argv[1]; or return 1
	printf '%s\n' $argv
end

# At the options of `vswap run' and `vswap attach'.
function __vswap_options
	__vswap_at 0 run attach; and not __vswap_command >/dev/null
end

function __vswap_spaces
	vswap stat 2>/dev/null | awk 'NR > 1 { print $1 "\t" $2 }'
end

function __vswap_backends
	set -l path (commandline -ct | string match -r '^file:(.*)')
	if set -q path[2]
		printf 'file:%s\n' (__fish_complete_path $path[2])
	else
		printf '%s\n' 'file:' 'ram'
	end
end

set -l sizes '25% 50% 75% 256M 512M 1G cgroup'

complete -c vswap -f
complete -c vswap -n __fish_use_subcommand -l help -d 'what the verbs are'
complete -c vswap -n __fish_use_subcommand -l version -d 'the version'
complete -c vswap -n __fish_use_subcommand -a run -d 'run a command within a memory budget'
complete -c vswap -n __fish_use_subcommand -a attach -d 'put a running process on a budget'
complete -c vswap -n __fish_use_subcommand -a detach -d 'bring everything back and let go'
complete -c vswap -n __fish_use_subcommand -a group -d 'run a command in a group inside the job'
complete -c vswap -n __fish_use_subcommand -a limit -d 'change the budget'
complete -c vswap -n __fish_use_subcommand -a backend -d 'show, add, order and remove backends'
complete -c vswap -n __fish_use_subcommand -a thaw -d 'bring everything in, until the next limit'
complete -c vswap -n __fish_use_subcommand -a stat -d 'show live figures'
complete -c vswap -n __fish_use_subcommand -a where -d 'say where the bytes of a page are now'
complete -c vswap -n __fish_use_subcommand -a doctor -d 'check kernel and rights'
complete -c vswap -n __fish_use_subcommand -a setup -d 'let users page their own programs'

complete -c vswap -n '__vswap_at 1 backend' -a 'list add set remove'
complete -c vswap -n '__vswap_at 0 backend' -l json -d 'as JSON'
complete -c vswap -n '__vswap_at 0 backend' -s l -l lose-unreadable -d 'give up pages that cannot be read'
complete -c vswap -n __vswap_options -s m -l memory -x -a "$sizes" -d 'budget'
complete -c vswap -n __vswap_options -s b -l backend -x -a '(__vswap_backends)' -d 'where pages may go'
complete -c vswap -n __vswap_options -s s -l stats -r -F -d 'write the figures to a file'
complete -c vswap -n __vswap_options -s q -l quiet -d 'no closing paragraph'
complete -c vswap -n __vswap_command -x -a '(__fish_complete_subcommand --commandline (__vswap_command))'
complete -c vswap -n '__vswap_at 0 attach' -s n -l no-children -d 'only this process'
complete -c vswap -n '__vswap_at 0 attach' -x -a '(__fish_complete_pids)'
complete -c vswap -n '__vswap_at 0 detach' -s l -l lose-unreadable -d 'give up pages that cannot be read'
complete -c vswap -n '__vswap_at 1 detach thaw where stat' -x -a '(__vswap_spaces)'
complete -c vswap -n '__vswap_at 0 group' -s m -l memory -x -a '64M 256M 1G' -d 'its limit'
complete -c vswap -n '__vswap_at 0 group limit' -s w -l weight -x -a '50 100 200' -d 'its weight'
complete -c vswap -n '__vswap_at 0 group' -s t -l tiers -x -a ram -d 'where its pages may go'
complete -c vswap -n '__vswap_at 0 limit' -s g -l group -x -d 'of this group'
complete -c vswap -n '__vswap_at 1 limit' -x -a "$sizes"
complete -c vswap -n '__vswap_at 2 limit' -x -a '(__vswap_spaces)'
complete -c vswap -n '__vswap_at 0 stat doctor' -s j -l json -d 'as JSON'
complete -c vswap -n '__vswap_at 0 setup' -s u -l undo -d 'take it back'
complete -c vswap -n '__vswap_at 0 setup' -f -a '(__fish_complete_users)'
