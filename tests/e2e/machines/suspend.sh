# The machine sleeps for a while by its own clock of the wall, and is right soon after.
reference_server
install_ours
printf 'driftfile /var/lib/ntp/ntp.drift\nserver 10.9.0.1 iburst minpoll 3 maxpoll 4\n' >/etc/ntp.conf
systemctl restart ntp
until_it is_within 20
pid=$(systemctl show -P MainPID ntp)
echo deep >/sys/power/mem_sleep
echo +10 >/sys/class/rtc/rtc0/wakealarm
echo mem >/sys/power/state
until_it sh -c "journalctl -u ntp --no-pager | grep 'was suspended'"
until_it is_within 20
follows 10.9.0.1
test "$(systemctl show -P MainPID ntp)" = "$pid"
