install_ours
without_clock
reference_server
printf 'driftfile /var/lib/ntp/ntp.drift\nserver 10.9.0.1 iburst\n' >/etc/ntp.conf
systemctl restart ntp
until_it follows 10.9.0.1
before=$(ntpq -c associations | awk '$2 ~ /^[0-9]+$/ { print $2 }')
pid=$(systemctl show -P MainPID ntp)
echo 'server 10.9.0.99' >>/etc/ntp.conf
systemctl reload ntp
until_it sh -c 'ntpq -pn | grep -q 10.9.0.99'
# What has not changed is still followed, under the same number, by the same process.
follows 10.9.0.1
ntpq -c associations | grep " $before "
test "$(systemctl show -P MainPID ntp)" = "$pid"
sed -i /10.9.0.99/d /etc/ntp.conf
systemctl reload ntp
until_it sh -c '! ntpq -pn | grep -q 10.9.0.99'
follows 10.9.0.1
# A broken file leaves what is in force in force, and says so.
echo 'sevrer x' >/etc/ntp.conf
fails_with 1 systemctl reload ntp
until_it sh -c 'journalctl -u ntp --no-pager | grep sevrer'
systemctl is-active ntp
