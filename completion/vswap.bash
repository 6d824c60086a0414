# SPDX-License-Identifier: MIT
# Completion of vswap for bash.

_vswap_spaces()
{
	vswap stat 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_vswap_verb_words()
{
	case $1 in
	run) echo "-m --memory -b --backend -s --stats -q --quiet --help" ;;
	attach) echo "-m --memory -b --backend -s --stats -q --quiet -n --no-children --help $(ps -u "$(id -u)" -o pid=)" ;;
	stat) echo "--json --help $(_vswap_spaces)" ;;
	detach) echo "--lose-unreadable --help $(_vswap_spaces)" ;;
	thaw | where) echo "--help $(_vswap_spaces)" ;;
	group) echo "-m --memory -w --weight -t --tiers --help" ;;
	limit)
		if [ "$COMP_CWORD" = 2 ]; then
			echo "25% 50% 75% 256M 512M 1G cgroup -g --group -w --weight --help"
		else
			_vswap_spaces
		fi
		;;
	backend)
		if [ "$COMP_CWORD" = 2 ]; then
			echo "list add set remove --help"
		else
			echo "--json --lose-unreadable prio= $(_vswap_spaces)"
		fi
		;;
	doctor) echo "--json --help" ;;
	setup) echo "--undo --help $(compgen -u)" ;;
	esac
}

# Where the command of `vswap run` or `vswap group` starts, if the cursor is past it: its completion is
# its own. A group has its name before it.
_vswap_command_at()
{
	local i names=0
	[ "${COMP_WORDS[1]}" != group ] || names=1
	for ((i = 2; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-m | --memory | -b | --backend | -s | --stats | -w | --weight | -t | --tiers) ((i++)) ;;
		--) echo $((i + 1)); return ;;
		-*) ;;
		*) ((names--)) || { echo $i; return; } ;;
		esac
	done
}

_vswap()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} at
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		COMPREPLY=($(compgen -W "run attach detach group limit backend thaw stat where doctor setup --help --version" -- "$word"))
		return
	fi
	if [ "${COMP_WORDS[1]}" = run ] || [ "${COMP_WORDS[1]}" = group ]; then
		at=$(_vswap_command_at)
		if [ -n "$at" ] && declare -F _command_offset >/dev/null; then
			_command_offset "$at"
			return
		fi
	fi
	case $before in
	-m | --memory) COMPREPLY=($(compgen -W "25% 50% 256M 512M 1G cgroup" -- "$word")) ;;
	-b | --backend) COMPREPLY=($(compgen -W "file: ram" -- "$word")) ;;
	-s | --stats) COMPREPLY=($(compgen -f -- "$word")) ;;
	*)
		COMPREPLY=($(compgen -W "$(_vswap_verb_words "${COMP_WORDS[1]}")" -- "$word"))
		if [ "${COMP_WORDS[1]}" = run ] && [[ $word != -* ]]; then
			COMPREPLY+=($(compgen -c -- "$word"))
		fi
		;;
	esac
}

complete -o default -F _vswap vswap
