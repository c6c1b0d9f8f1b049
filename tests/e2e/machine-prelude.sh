# The same on a machine of its own: its clock is its own, and the server is another machine, on a cable.

without_clock() { :; }

reference_server() {
    ip addr add 10.9.0.2/24 dev eth0
    ip link set eth0 up
    until_it busybox ping -c 1 -W 1 10.9.0.1
}

# How far another program finds this clock off, in seconds, with the sign of a correction.
correction() { rdate -n -p -v 10.9.0.1 | sed -n 's/.*local clock by \([-0-9.]*\) seconds.*/\1/p'; }

# Whether it is off by less than so many milliseconds.
is_within() {
    correction >/root/correction
    awk -v limit="$1" '{ found = $1 * 1000; good = found < limit && -found < limit } END { exit !good }' /root/correction
}

# Puts the clock ahead by so many seconds.
put_ahead() { date -s "@$(awk -v now="$(date +%s.%N)" -v by="$1" 'BEGIN { printf "%.6f", now + by }')"; }
