# Completion of distctl(1) for bash: commands, options, nodes out of the registry, and
# procedures out of the .x file, or of what is served. It needs nothing of the package bash-completion.

# The words of the line so far, split at blanks alone: readline cuts at ':' and '=' too.
# Sets words, cur, and what the words say: command, operands, masters, reading.
_distctl_read_line()
{
	local line=${COMP_LINE:0:COMP_POINT} word value=

	read -ra words <<<"$line"
	cur=
	[[ $line == *[[:blank:]] ]] || { cur=${words[-1]}; unset 'words[-1]'; }
	for word in "${words[@]:1}"; do
		# What is behind it is distbench's.
		[[ $command == bench ]] && break
		if [[ $value ]]; then
			_distctl_take_option "$value" "$word"
			value=
			continue
		fi
		case $word in
		--*=*) _distctl_take_option "${word%%=*}" "${word#*=}" ;;
		--masters | --timeout-ms | --wait-ms | --interval | --count | --sort | --node | --address | \
		--define | --include)
			value=$word ;;
		-*) ;;
		*) if [[ $command ]]; then operands+=("$word"); else command=$word; fi ;;
		esac
	done
	option=$value
}

# What finding nodes and procedures takes.
_distctl_take_option()
{
	case $1 in
	--masters) masters=$2 ;;
	--define | --include) reading+=("$1" "$2") ;;
	esac
}

# Offer those of the lines on standard input that begin as the word does.
_distctl_offer()
{
	local line

	while IFS= read -r line; do
		[[ $line == "$cur"* ]] && COMPREPLY+=("$(printf %q "$line")")
	done
}

_distctl_nodes()
{
	[[ $masters ]] || return
	"$program" --masters "$masters" --timeout-ms 1000 --json nodes 2>/dev/null |
		sed -n 's/^      "name": "\(.*\)",$/\1/p'
}

# By their names, and by the whole way to them once a '/' is there.
_distctl_procedures()
{
	local name

	"$program" "${reading[@]}" procedures "${operands[0]/#\~/$HOME}" 2>/dev/null |
		while read -r name _; do
			[[ $name == */* ]] || continue
			[[ $cur == */* ]] || name=${name##*/}
			echo "$name"
		done | sort -u
}

# Of what is served, by the whole way to them.
_distctl_served()
{
	[[ $masters ]] || return
	"$program" --masters "$masters" --timeout-ms 1000 procedures 2>/dev/null |
		while read -r name _; do
			[[ $name == */* ]] && echo "$name"
		done
}

# Those of distbench, which says them itself.
_distctl_bench_options()
{
	"$program" bench --help 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p'
}

_distctl_options()
{
	[[ $command == bench ]] && { _distctl_bench_options; return; }
	printf '%s\n' --masters --json --timeout-ms --help --version
	case $command in
	nodes | services) echo --all ;;
	top) printf '%s\n' --interval --count --sort ;;
	drain) echo --wait-ms ;;
	call) printf '%s\n' --node --address --idempotent --define --include ;;
	procedures) printf '%s\n' --node --address --define --include ;;
	esac
}

# .x files, and the directories on the way to them.
_distctl_files()
{
	local file

	compopt -o filenames 2>/dev/null
	while IFS= read -r file; do
		[[ $file == *.x || -d ${file/#\~/$HOME} ]] && COMPREPLY+=("$file")
	done < <(compgen -f -- "$cur")
}

_distctl_word()
{
	case $command in
	'') _distctl_offer < <(printf '%s\n' nodes services ping stats callers top watch doctor drain \
		call procedures bench) ;;
	ping | stats | drain) _distctl_offer < <(_distctl_nodes) ;;
	call | procedures)
		if ((${#operands[@]} == 0)); then
			_distctl_files
			[[ $command == call ]] && _distctl_offer < <(_distctl_served)
		elif ((${#operands[@]} == 1)) && [[ $command == call && ${operands[0]} == *.* ]]; then
			_distctl_offer < <(_distctl_procedures)
		fi ;;
	esac
}

_distctl()
{
	local words cur command= option= masters= operands=() reading=() program prefix

	COMPREPLY=()
	_distctl_read_line
	program=${words[0]/#\~/$HOME}
	case $option in
	--node) _distctl_offer < <(_distctl_nodes) ;;
	--sort) _distctl_offer < <(printf '%s\n' calls failed in-flight p99 name) ;;
	--include) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	?*) ;;
	*)
		case $cur in
		-*) _distctl_offer < <(_distctl_options) ;;
		*) _distctl_word ;;
		esac ;;
	esac
	# Of a word with a ':' readline replaces what is behind it.
	if [[ $COMP_WORDBREAKS == *:* && $cur == *:* ]]; then
		prefix=${cur%"${cur##*:}"}
		COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
	fi
}

complete -F _distctl distctl
