# A far server over a bad line: 40 ms each way with 5 ms of jitter, one packet in ten lost; then 30 ms in one direction
# more, which nobody can see, and which is half of what the clock may be off by.
reference_server
modprobe sch_netem
modprobe ifb
install_ours
printf 'driftfile /var/lib/ntp/ntp.drift\nserver 10.9.0.1 iburst minpoll 3 maxpoll 3\n' >/etc/ntp.conf
tc qdisc add dev eth0 root netem delay 40ms 5ms loss 10%
ip link add ifb0 type ifb
ip link set ifb0 up
tc qdisc add dev eth0 ingress
tc filter add dev eth0 ingress matchall action mirred egress redirect dev ifb0
tc qdisc add dev ifb0 root netem delay 40ms 5ms loss 10%
put_ahead 0.3
systemctl restart ntp
until_it follows 10.9.0.1
sleep 60
undisturbed() {
    tc qdisc change dev eth0 root netem delay 0ms
    tc qdisc change dev ifb0 root netem delay 0ms
    correction
}
found=$(undisturbed)
echo "SHOW 40 ms each way, 10 % lost: correction $found s"
awk -v found="$found" 'BEGIN { exit !(found < 0.02 && -found < 0.02) }'
tc qdisc change dev eth0 root netem delay 70ms 5ms
tc qdisc change dev ifb0 root netem delay 40ms 5ms
systemctl stop ntp
rm -f /var/lib/ntp/ntp.drift*
systemctl start ntp
until_it follows 10.9.0.1
sleep 60
found=$(undisturbed)
echo "SHOW 30 ms more in one direction: correction $found s"
awk -v found="$found" 'BEGIN { exit !(found < 0.035 && -found < 0.035) }'
