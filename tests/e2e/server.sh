# The other machine: Debian's chrony, which is right by definition.
systemctl stop chrony
ip addr add 10.9.0.1/24 dev eth0
ip addr add 10.9.0.3/24 dev eth0
ip link set eth0 up
printf 'local stratum 1\nallow\ndriftfile /tmp/drift\n' >/tmp/chrony.conf
chronyd -f /tmp/chrony.conf
echo 'the server is ready' >/dev/console
sleep infinity
