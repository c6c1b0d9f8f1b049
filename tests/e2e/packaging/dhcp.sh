# A lease that was there before us.
mkdir -p /run/systemd/netif/leases
printf 'ADDRESS=10.9.0.2\nNTP=10.9.0.1\n' >/run/systemd/netif/leases/6
install_ours
until_it grep -r 10.9.0.1 /run/ntp-dhcp
rm /run/systemd/netif/leases/6
until_it sh -c '! grep -r 10.9.0.1 /run/ntp-dhcp'
without_clock
reference_server
printf '# no servers but those of the network\n' >/etc/ntp.conf
systemctl restart ntp
until_it sh -c '! journalctl -u ntp --no-pager | grep "ntp-dhcp cannot be included"'
# dhclient sources its hooks.
lease() {
    interface=$1
    reason=$2
    new_ntp_servers=${3:-}
    export interface reason new_ntp_servers
    sh -eu -c 'new_dhcp6_ntp_servers=; new_dhcp6_sntp_servers=; . /etc/dhcp/dhclient-exit-hooks.d/ntp'
}
lease eth0 BOUND '10.9.0.1'
cat /run/ntp-dhcp/eth0.conf
until_it follows 10.9.0.1
pid=$(systemctl show -P MainPID ntp)
lease eth0 EXPIRE
until_it sh -c '! ntpq -pn | grep 10.9.0.1'
# NetworkManager runs its.
DHCP4_NTP_SERVERS='10.9.0.1 10.9.0.99' /etc/NetworkManager/dispatcher.d/20-ntp eth1 dhcp4-change
until_it follows 10.9.0.1
/etc/NetworkManager/dispatcher.d/20-ntp eth1 down
until_it sh -c '! ntpq -pn | grep 10.9.0.1'
# networkd leaves files, which a unit watches.
mkdir -p /run/systemd/netif/leases
systemctl restart ntp-dhcp.path
printf 'ADDRESS=10.9.0.2\nNTP=10.9.0.1\n' >/run/systemd/netif/leases/7
until_it follows 10.9.0.1
rm /run/systemd/netif/leases/7
until_it sh -c '! ntpq -pn | grep 10.9.0.1'
# None of it restarted the daemon.
test "$(systemctl show -P MainPID ntp)" = "$pid"
# Who wants none of it says so.
echo IGNORE_DHCP=yes >>/etc/default/ntp
lease eth0 BOUND '10.9.0.1'
DHCP4_NTP_SERVERS=10.9.0.1 /etc/NetworkManager/dispatcher.d/20-ntp eth1 up
printf 'NTP=10.9.0.1\n' >/run/systemd/netif/leases/8
sleep 1
ls -A /run/ntp-dhcp
test -z "$(ls -A /run/ntp-dhcp)"
