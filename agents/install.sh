#!/bin/sh
# Installs the agent of a Docker host, or brings it up to date; running it again does no harm. `tagboat node enroll` prints the line that fetches
# this text, compares its digest, and pipes it into sh with the single-use word (TAGBOAT_JOIN) before it. The word goes to the agent through
# a pipe: no argument, variable of a process, file or log line holds it. The agent compares the controller's authority with the word before it sends the token.
#
#   --container      run the agent as a container (what is done unless systemd and a tagboat of this host can be used)
#   --systemd        run the agent as a unit of systemd; needs Node.js 20.19 or newer and the tagboat command
#   --image IMAGE    the agent's image
#   --directory DIR  where its identity, keys and journal are kept (/var/lib/tagboat-agent)
#   --join-file FILE file with the word
#   --proxy-port, --https-port, --certificates, --acme-directory, --acme-contact, --acme-ca, --proxy-image, --update-deadline, --log-level VALUE
#                    flags of `tagboat agent docker`; kept, so that a line without any takes those of the line before
#   --defaults       none of them any more
#   --uninstall      take the agent away; its directory and what it deployed stay
#
# Exit codes: 0 fine, 1 it failed, 2 wrong use, 3 something could not be reached.
set -eu

image='tagboat'
directory=/var/lib/tagboat-agent
name='tagboat-agent'
previous='tagboat-agent-previous'
mark=tagboat.dev/agent
units=${TAGBOAT_UNIT_DIRECTORY:-/etc/systemd/system}
patience=${TAGBOAT_INSTALL_PATIENCE:-60}
mode=''
aside=''
flags=''
reset=''

say() { printf 'tagboat: %s\n' "$*" >&2; }
fail() { # CODE TEXT...
  code=$1
  shift
  say "$@"
  exit "$code"
}

absolute() {
  case $1 in
    /*) printf %s "$1" ;;
    *) printf '%s/%s' "$(pwd)" "$1" ;;
  esac
}

limited() { # SECONDS COMMAND...
  limit=$1
  shift
  if command -v timeout > /dev/null; then timeout "$limit" "$@"; else "$@"; fi
}

have_engine() {
  command -v docker > /dev/null || fail 1 'there is no docker command here; install Docker, then run this again'
  if ! said=$(limited 30 docker version --format '{{.Server.Version}}' 2>&1); then
    case $said in
      *'permission denied'*) fail 1 'no right to use the Docker engine; run this as root (for example in sudo -s)' ;;
      *) fail 3 "the Docker engine does not answer: $said" ;;
    esac
  fi
  endpoint=${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2> /dev/null || echo unix:///var/run/docker.sock)}
  case $endpoint in
    unix:///*) socket=${endpoint#unix://} ;;
    *) fail 2 "the agent runs on the host of its engine, and $endpoint is elsewhere; run this there" ;;
  esac
}

have_directory() {
  if ! mkdir -p "$directory" 2> /dev/null || ! [ -w "$directory" ]; then fail 1 "no right to write $directory; run this as root (for example in sudo -s), or name another with --directory"; fi
  chmod 700 "$directory"
  directory=$(cd "$directory" && pwd)
}

# Flags for the agent, a line for each name and each value. What is new is kept once it has worked.
have_flags() {
  kept="$directory/install.flags"
  if [ -n "$flags" ]; then
    printf '%s' "$flags" > "$kept.new"
  elif [ -n "$reset" ] || ! [ -e "$kept" ]; then
    : > "$kept.new"
  else
    cat "$kept" > "$kept.new"
  fi
  while IFS= read -r flag && IFS= read -r value; do
    case $flag in
      --certificates | --acme-ca) [ -e "$value" ] || fail 2 "$flag $value is not there" ;;
    esac
  done < "$kept.new"
}

have_word() {
  if [ -n "$join" ] || [ -s "$directory/identity.json" ]; then return 0; fi
  fail 2 "this host was never enrolled ($directory holds no identity); paste the whole line that tagboat node enroll prints"
}

suitable_node() {
  command -v node > /dev/null && node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
}

exists() { docker container inspect "$1" > /dev/null 2>&1; }
ours() { [ -n "$(docker container inspect --format "{{index .Config.Labels \"$mark\"}}" "$1" 2> /dev/null)" ]; }
running() { [ "$(docker container inspect --format '{{.State.Status}} {{.RestartCount}}' "$name" 2> /dev/null)" = 'running 0' ]; }

# All that the container may do: speak to the engine's socket and write into its directory. On the host's network, so that it reaches the controller as
# the host does, and every container for its health checks.
contained() { # OPTION... IMAGE ARGUMENT...
  docker run --network host --userns host --user 0:0 --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges:true --security-opt label=disable \
    --volume "$socket:/var/run/docker.sock" --volume "$directory:/var/lib/tagboat" "$@"
}

await_line() { # COMMAND that is true while there is hope
  waited=0
  until [ -e "$directory/.connected" ]; do
    if [ "$waited" -ge "$patience" ] || ! "$@"; then return 1; fi
    sleep 1
    waited=$((waited + 1))
  done
}

put_back() {
  [ -n "$aside" ] || return 0
  aside=''
  docker rm --force "$name" > /dev/null 2>&1 || true
  docker rename "$previous" "$name" > /dev/null
  docker start "$name" > /dev/null
  say 'the agent from before runs again'
}

fetch_image() {
  say "pulling $image"
  if said=$(limited 900 docker pull --quiet "$image" 2>&1); then return 0; fi
  docker image inspect "$image" > /dev/null 2>&1 || fail 3 "the image $image cannot be pulled and is not here: $said (agentImage of the controller's configuration, or --image, names another)"
  say "$image cannot be pulled; the one that is here is used"
}

install_container() {
  have_engine
  [ ! -e "$units/$name.service" ] || fail 2 "the agent of this host is the unit $name; --uninstall takes it away (its directory stays), or use --systemd"
  have_directory
  have_flags
  have_word
  for one in "$name" "$previous"; do
    if exists "$one" && ! ours "$one"; then fail 1 "a container named $one is here that is not the agent of this host; rename it, it is not touched"; fi
  done
  # Left by a run that was killed: it is the one that is known to work.
  if exists "$previous"; then
    docker rm --force "$name" > /dev/null 2>&1 || true
    docker rename "$previous" "$name"
  fi
  # What an exchange for another version has on trial; the container made here takes its place.
  if exists "$name-next" && ours "$name-next"; then docker rm --force "$name-next" > /dev/null; fi
  fetch_image
  trap put_back EXIT
  trap 'exit 130' INT TERM HUP
  if exists "$name"; then
    docker rename "$name" "$previous"
    aside=yes
    docker stop --time 30 "$previous" > /dev/null
  fi
  if [ -n "$join" ]; then
    printf '%s\n' "$join" | contained --rm --interactive "$image" agent docker --directory /var/lib/tagboat --join-file - --enrol-only || exit $?
    join=''
  fi
  rm -f "$directory/.connected"
  set -- --detach --name "$name" --restart unless-stopped --label "$mark=install" --log-opt max-size=10m --log-opt max-file=3
  while IFS= read -r flag && IFS= read -r value; do
    case $flag in
      --certificates | --acme-ca) set -- "$@" --volume "$value:$value:ro" ;;
    esac
  done < "$kept.new"
  set -- "$@" "$image" agent docker --directory /var/lib/tagboat
  while IFS= read -r flag && IFS= read -r value; do set -- "$@" "$flag" "$value"; done < "$kept.new"
  contained "$@" > /dev/null < /dev/null
  if ! await_line running; then
    say 'the agent did not reach the controller; its last lines:'
    docker logs --tail 10 "$name" >&2 || true
    if [ -n "$aside" ]; then exit 3; fi
    fail 3 "the container $name goes on trying; --uninstall takes it away"
  fi
  aside=''
  trap - EXIT INT TERM HUP
  mv "$kept.new" "$kept"
  docker rm --force "$previous" > /dev/null 2>&1 || true
  say "the agent runs as the container $name and is connected"
}

escaped() { printf '"%s"' "$(printf %s "$1" | sed 's/["\\]/\\&/g; s/%/%%/g; s/\$/$$/g')"; }

command_of_unit() {
  printf '%s agent docker --directory %s' "$(escaped "$tagboat")" "$(escaped "$directory")"
  while IFS= read -r word; do printf ' %s' "$(escaped "$word")"; done < "$kept.new"
}

# The same bounds for a unit. No capability is needed: the engine's socket belongs to root.
unit() {
  cat << UNIT
[Unit]
Description=Tagboat agent
Documentation=https://tagboat.dev
Wants=network-online.target
After=network-online.target docker.service

[Service]
ExecStart=$(command_of_unit)
Environment="PATH=$(dirname "$(command -v node)"):/usr/local/bin:/usr/bin:/bin"
Environment="DOCKER_HOST=unix://$socket"
Restart=always
RestartSec=5
UMask=0077
ReadWritePaths="$directory"
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
CapabilityBoundingSet=
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
UNIT
}

active() { systemctl is-active --quiet "$name"; }

install_unit() {
  have_engine
  command -v systemctl > /dev/null || fail 2 'there is no systemd here; use --container'
  suitable_node || fail 2 'a unit needs Node.js 20.19 or newer on the PATH; use --container, or install it'
  tagboat=$(command -v tagboat) || fail 2 'a unit needs the tagboat command on the PATH (npm install --global tagboat); or use --container'
  if exists "$name" && ours "$name"; then fail 2 "the agent of this host is the container $name; --uninstall takes it away (its directory stays), or use --container"; fi
  [ -w "$units" ] || fail 1 "no right to write $units; run this as root (for example in sudo -s)"
  have_directory
  have_flags
  have_word
  if [ -e "$units/$name.service" ]; then systemctl stop "$name"; fi
  if [ -n "$join" ]; then
    printf '%s\n' "$join" | "$tagboat" agent docker --directory "$directory" --join-file - --enrol-only || {
      code=$?
      if [ -e "$units/$name.service" ]; then systemctl start "$name"; fi
      exit "$code"
    }
    join=''
  fi
  rm -f "$directory/.connected"
  unit > "$units/$name.service.new"
  mv "$units/$name.service.new" "$units/$name.service"
  systemctl daemon-reload
  systemctl enable --quiet "$name"
  systemctl restart "$name"
  await_line active || fail 3 "the agent did not reach the controller and goes on trying; journalctl --unit $name tells why"
  mv "$kept.new" "$kept"
  say "the agent runs as the unit $name and is connected"
}

uninstall() {
  found=''
  if [ -e "$units/$name.service" ]; then
    systemctl disable --now --quiet "$name"
    rm -f "$units/$name.service"
    systemctl daemon-reload
    found=yes
  fi
  if command -v docker > /dev/null; then
    for one in "$name-next" "$name" "$previous"; do
      if exists "$one" && ours "$one"; then
        docker stop --time 30 "$one" > /dev/null
        docker rm --force "$one" > /dev/null
        found=yes
      fi
    done
  fi
  if [ -z "$found" ]; then say 'there is no agent here that this script installed'; return 0; fi
  say "the agent is gone; $directory (its identity and keys) and what it deployed stay. tagboat node revoke shuts the node out"
}

choose() {
  if [ -e "$units/$name.service" ]; then echo systemd; return 0; fi
  if command -v docker > /dev/null && exists "$name"; then echo container; return 0; fi
  if [ -d /run/systemd/system ] && command -v tagboat > /dev/null && suitable_node; then echo systemd; else echo container; fi
}

main() {
  join=${TAGBOAT_JOIN:-}
  unset TAGBOAT_JOIN
  while [ $# -gt 0 ]; do
    case $1 in
      --container | --systemd | --uninstall) mode=${1#--} ;;
      --defaults) reset=yes ;;
      --image | --directory | --join-file | --proxy-port | --https-port | --certificates | --acme-directory | --acme-contact | --acme-ca | --proxy-image | --update-deadline | --log-level)
        [ $# -ge 2 ] || fail 2 "$1 wants a value"
        case $2 in
          '' | *[[:cntrl:]]*) fail 2 "$1 wants a value of one line" ;;
        esac
        case $1 in
          --image) image=$2 ;;
          --directory) directory=$2 ;;
          --join-file) join=$(cat "$2") || fail 2 "$2 cannot be read" ;;
          --certificates | --acme-ca) flags="$flags$1
$(absolute "$2")
" ;;
          *) flags="$flags$1
$2
" ;;
        esac
        shift
        ;;
      tagboat-join:*) join=$1 ;;
      *) fail 2 "$1 is unknown; --container, --systemd, --image IMAGE, --directory DIR, --join-file FILE, --uninstall and flags of the agent (--acme-contact ADDRESS …) are known" ;;
    esac
    shift
  done
  case $join in
    '') ;;
    tagboat-join:*[!A-Za-z0-9_-]* | tagboat-join:) fail 2 'the word is damaged; paste the whole line that tagboat node enroll prints' ;;
    tagboat-join:*) ;;
    *) fail 2 'this is not the word that tagboat node enroll prints' ;;
  esac
  if [ -z "$mode" ]; then mode=$(choose); fi
  case $mode in
    container) install_container ;;
    systemd) install_unit ;;
    uninstall) uninstall ;;
  esac
}

# The last line: of a text that was cut off nothing runs. What is run in it must not read the rest of a pipe.
main "$@" < /dev/null
