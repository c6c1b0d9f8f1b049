# What the scenarios share: each begins with this.

# apt gets no terminal, as on machines that nobody looks at.
install_ours() { apt-get install -y --no-install-recommends /e2e/ntp.deb; }

# A container may not adjust the clock: there the daemon serves and watches without.
without_clock() {
    mkdir -p /etc/systemd/system/ntp.service.d
    printf '[Service]\nExecStart=\nExecStart=/usr/sbin/ntpd -n --clock=none\n' >/etc/systemd/system/ntp.service.d/clock.conf
    systemctl daemon-reload
}

# A server at 10.9.0.1, and at 10.9.0.3, which gives this machine's own time, on a wire of its own; nobody is at
# 10.9.0.99.
reference_server() {
    ip netns add server
    ip link add wire type veth peer name far netns server
    ip addr add 10.9.0.2/24 dev wire
    ip link set wire up
    ip netns exec server ip addr add 10.9.0.1/24 dev far
    ip netns exec server ip addr add 10.9.0.3/24 dev far
    ip netns exec server ip link set far up
    ip netns exec server ip link set lo up
    printf 'server 127.127.1.0\nfudge 127.127.1.0 stratum 2\n' >/root/server.conf
    ip netns exec server /usr/sbin/ntpd -n --clock=none -c /root/server.conf \
        --control-socket /run/server.sock >/root/server.log 2>&1 &
}

# Waits until a command succeeds, and tells of its last attempt only.
until_it() {
    { set +x; } 2>/dev/null
    for _ in $(seq 60); do
        if "$@" >/dev/null 2>&1; then
            set -x
            return 0
        fi
        sleep 0.5
    done
    set -x
    "$@"
}

fails_with() {
    expected=$1
    shift
    status=0
    "$@" || status=$?
    test "$status" = "$expected"
}

follows() { ntpq -pn | grep -q "^\*$1 "; }

# What a package brings and needs, as apt counts it.
closure() {
    apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances "$1" | grep '^[a-z0-9]' | sort -u
}

# How open its unit leaves the machine (10 is everything), its size, and what it depends on.
show_beside() {
    unit=$1
    package=$2
    score=$(systemd-analyze security --offline=yes "/lib/systemd/system/$unit" | sed -n 's/.*level.*: \([0-9.]*\) .*/\1/p')
    size=$(dpkg-query -W -f '${Installed-Size}' "$package")
    needed=$(closure "$package" | wc -l)
    all=$(closure "$package" | xargs dpkg-query -W -f '${Installed-Size}\n' | awk '{ kb += $1 } END { print kb }')
    echo "SHOW $package: security $score offline; $size kB installed, with all it needs $all kB in $needed packages"
    echo "SHOW   depends: $(dpkg-query -W -f '${Depends}' "$package")"
}
