#!/bin/sh
# Replies to each message; needs jq. Run: examples/echo-bot.sh Parrot 3002
pipe=$(mktemp -u) && mkfifo "$pipe" && trap 'rm -f "$pipe"' EXIT
# Without jq the client's input ends, and then the client.
trap 'kill $!' INT TERM HUP
mesh-chat --json --user "$1" --port "$2" <"$pipe" |
  jq --unbuffered -c 'select(.type == "message" and .origin == "live") | {to: .from, text: "You said: \(.text)"}' >"$pipe" &
wait
wait
