#!/usr/bin/env bash
# A real Slurm for the tests: munged, slurmctld and three slurmd with two pretended GPUs each, on this machine, in one
# folder, as any user. Nothing outside the folder is touched.
#   cluster.sh up FOLDER           starts it and returns once all nodes are idle
#   cluster.sh down FOLDER         ends everything that was started in the folder
#   cluster.sh crash FOLDER NODE   the node is gone: its slurmd and, unless KEEP_JOBS is set, all that it ran
#   cluster.sh node FOLDER NODE    starts a node
#   cluster.sh controller FOLDER   ends slurmctld and starts it again
set -eu
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
what=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
node=${3:-}
export SLURM_CONF="$folder/slurm.conf"

# Starts a daemon in the foreground of a session of its own and keeps its process id.
start() {
    local name=$1
    shift
    setsid "$@" </dev/null >>"$folder/log/$name.out" 2>&1 &
    echo $! >"$folder/pid/$name"
}

# Ends the daemon of that name with a signal and waits for it.
finish() {
    local pid
    pid=$(cat "$folder/pid/$1" 2>/dev/null) || return 0
    kill "-$2" "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    kill -KILL "$pid" 2>/dev/null || true
    rm -f "$folder/pid/$1"
}

start_node() { start "$1" slurmd -D -N "$1" -f "$SLURM_CONF"; }
start_controller() { start slurmctld slurmctld -D -f "$SLURM_CONF"; }

# Processes of the cluster's jobs, of one node or of all: jobs carry the cluster's configuration and their node's name in
# their environment, and slurmstepd has the node's log open.
job_processes() {
    local process pid
    for process in /proc/[0-9]*; do
        pid=${process#/proc/}
        if { tr '\0' '\n' <"$process/environ" | grep -qxF "SLURM_CONF=$SLURM_CONF" &&
            tr '\0' '\n' <"$process/environ" | grep -q "^SLURMD_NODENAME=$1"; } 2>/dev/null ||
            { grep -q slurmstepd "$process/comm" && ls -l "$process/fd" | grep -qF "$folder/log/slurmd-$1"; } 2>/dev/null; then
            echo "$pid"
        fi
    done
}

write_configuration() {
    local user host port gpu
    user=$(id -un)
    host=$(hostname -s)
    port=$((20000 + RANDOM % 9000))
    cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=${REQUEUE_WAIT:-5}
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0,batch_sched_delay=0
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ReturnToService=2
SlurmdTimeout=8
SlurmctldTimeout=30
KillWait=3
MaxArraySize=1001
MaxJobCount=10000
GresTypes=gpu
PropagateResourceLimits=NONE
SlurmdParameters=config_overrides
PartitionName=all Nodes=n[1-3] Default=YES MaxTime=INFINITE DefaultTime=60 State=UP
CONF
    : >"$folder/gres.conf"
    echo "CgroupAutomount=no" >"$folder/cgroup.conf"
    for number in 1 2 3; do
        mkdir -p "$folder/spool/n$number"
        for gpu in 0 1; do ln -sf /dev/null "$folder/gpu/n$number-$gpu"; done
        echo "NodeName=n$number Name=gpu File=$folder/gpu/n$number-[0-1]" >>"$folder/gres.conf"
        echo "NodeName=n$number NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + number)) CPUs=4 RealMemory=2000 Gres=gpu:2" >>"$SLURM_CONF"
    done
}

case $what in
up)
    mkdir -p "$folder"/{log,pid,state,spool,gpu}
    (umask 077 && head -c 128 /dev/urandom >"$folder/munge.key")
    write_configuration
    start munged munged --foreground --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
        --pid-file="$folder/munge.pid" --log-file="$folder/log/munge.log" --seed-file="$folder/munge.seed"
    for _ in $(seq 100); do
        [ -S "$folder/munge.socket" ] && break
        sleep 0.05
    done
    start_controller
    for name in n1 n2 n3; do start_node "$name"; done
    for _ in $(seq 200); do
        [ "$(sinfo -h -N -t idle -o %N 2>/dev/null | wc -l)" = 3 ] && exit 0
        sleep 0.1
    done
    tail -n 5 "$folder"/log/* >&2
    echo "the nodes are not idle after 20 s" >&2
    exit 1
    ;;
down)
    for name in n1 n2 n3 slurmctld munged; do finish "$name" TERM; done
    for pid in $(job_processes ""); do kill -KILL "$pid" 2>/dev/null || true; done
    ;;
crash)
    finish "$node" KILL
    if [ -z "${KEEP_JOBS:-}" ]; then
        for pid in $(job_processes "$node"); do kill -KILL "$pid" 2>/dev/null || true; done
    fi
    # Slurm would find out by itself half a minute later.
    scontrol update "NodeName=$node" State=DOWN Reason=gone
    ;;
node) start_node "$node" ;;
controller)
    finish slurmctld TERM
    start_controller
    ;;
*)
    echo "usage: cluster.sh up|down|crash|node|controller FOLDER [NODE]" >&2
    exit 2
    ;;
esac
