install_ours
without_clock
reference_server
echo 'server 10.9.0.1 iburst' >>/etc/ntp.conf
md5sum /etc/ntp.conf >before
systemctl restart ntp
until_it follows 10.9.0.1
ntpq -pn
until_it ntpq -c why
md5sum -c before
# The same in one step that cannot go wrong.
sed -i '/10.9.0.1/d' /etc/ntp.conf
systemctl restart ntp
ntpctl add-server 10.9.0.1
until_it follows 10.9.0.1
grep -x 'server 10.9.0.1 iburst' /etc/ntp.conf
md5sum /etc/ntp.conf >before
fails_with 6 ntpctl add-server 10.9.0.99 --wait 3
md5sum -c before
systemctl is-active ntp ntpd ntpsec
until_it follows 10.9.0.1
# Who edits more often than a unit may start is not stopped.
for poll in 4 5 6 4 5 6 4 5 6 4 5 6; do ntpctl set-option 10.9.0.1 minpoll "$poll"; done
until_it follows 10.9.0.1
