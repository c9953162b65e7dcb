#!/usr/bin/env bash
# `make demo`: index the example archive, ask it three questions without a language model.
set -euo pipefail
index=${1:?the folder of the index}
bold=$'\e[1m' plain=$'\e[0m'
if [[ ! -t 1 || -n "${NO_COLOR:-}" ]]; then bold='' plain=''; fi

say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

say "$ ingest examples/archive --index $index"
ingest examples/archive --index "$index"

for question in \
  "How many days late was Kittiwake redelivered?" \
  "What caused the contact with the Northquay linkspan?" \
  "To whom was MV Tern sold, and for how much?"; do
  say "$ rlm-search ask \"$question\" --model extractive"
  rlm-search ask "$question" --model extractive --index "$index"
done

cat <<END

${bold}Plug in a language model${plain} for answers that reason over the archive:
  ollama pull qwen3:8b && rlm-search ask "…" --index $index --model ollama:qwen3:8b   (on this machine)
  OPENAI_API_KEY=… rlm-search ask "…" --index $index --model openai:MODEL             (any OpenAI-compatible server)
Your own documents:  ingest ~/papers  &&  rlm-search ask "…"
END
