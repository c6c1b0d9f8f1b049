# A new user with nothing but the package and its README: each command that it prints is tried, and one that is not on
# the list below fails the scenario.
install_ours
without_clock
reference_server
printf '10.9.0.1 0.pool.ntp.org ntp1.example\n10.9.0.3 ntp2.example\n' >>/etc/hosts
mkdir /srv/readme
cd /srv/readme
zcat /usr/share/doc/ntp/README.md.gz >README.md
awk '/^```/ { inside = !inside; text = ""; next } inside && /^description = / { found = 1 } inside && found { print } !inside { found = 0 }' \
    README.md >world.toml
# In a container nobody may set the clock, and ntpd says so.
clock_or_words() {
    status=0
    "$@" >said 2>&1 || status=$?
    cat said
    case $status in
    0 | 124) ;;
    3) grep 'CAP_SYS_TIME' said ;;
    *) return 1 ;;
    esac
}
# So many starts in so little time are more than the unit allows.
alone() { systemctl stop ntp && "$@" && systemctl reset-failed ntp && systemctl start ntp; }
# What README's examples of ntp.conf say, of statistics and of keys.
printf 'statsdir /var/log/ntpstats/\nstatistics loopstats peerstats\n' >>/etc/ntp.conf
printf 'keys /etc/ntp.keys\ntrustedkey 1\ncontrolkey 1\n' >>/etc/ntp.conf
printf 'server ntp1.example\nserver ntp2.example\nserver ntp3.example\n' >simulated.conf
# What is printed, and how it is tried: in this order, which is not that of the page.
cat >commands <<'LIST'
apt install ./target/dist/ntp_5.0.0_amd64.deb => apt-get install -y --reinstall /e2e/ntp.deb
ntpctl keygen [FILE] [--type T] [--number N] => ntpctl keygen && ntpctl keygen /etc/ntp.keys --type SHA256 --number 1 && su -s /bin/cat ntp /etc/ntp.keys
systemctl restart ntp => systemctl restart ntp
ntpctl add-server 0.pool.ntp.org => ntpctl add-server 0.pool.ntp.org
ntpq -p => until_it sh -c 'ntpq -p | grep "^[*]"'
ntpctl add-server NAME [OPTION VALUE]... => ntpctl add-server ntp2.example minpoll 4
ntpctl enable-server NAME => ntpctl disable-server ntp2.example && ntpctl enable-server ntp2.example
ntpctl set-option NAME minpoll 4 => ntpctl set-option ntp2.example minpoll 5 && ntpctl unset-option ntp2.example minpoll
ntpctl set tinker panic 0 => ntpctl set tinker panic 0 --no-restart && ntpctl unset tinker panic --no-restart
ntpctl set-servers NAME... => ntpctl set-servers 0.pool.ntp.org ntp2.example ntp3.example --no-restart
ntpctl replace-server OLD NEW => ntpctl replace-server ntp3.example ntp4.example --no-restart
ntpctl remove-server NAME => ntpctl remove-server ntp4.example --no-restart
ntpctl rollback [N] => ntpctl log && ntpctl diff && ntpctl rollback --no-restart && ntpctl rollback --no-restart
ntpctl check => ntpctl check
ntpctl check [FILE...] [--strict] [--json] => ntpctl check /etc/ntp.conf --json && ntpctl check simulated.conf --target ntpsec
ntpctl list [--all] [--json] => ntpctl list --all && ntpctl list --json
ntpctl explain [DIRECTIVE | LINE] => ntpctl explain && ntpctl explain restrict && ntpctl explain 'server a iburst'
ntpctl import FILE [-o ntp.conf] => printf 'server 10.9.0.1 iburst\n' >chrony.conf && ntpctl import chrony.conf -o imported.conf
ntpctl reload => ntpctl reload
ntpctl restart | manual | completions SHELL => ntpctl restart && ntpctl manual >manual && ntpctl completions bash >completions
ntpctl --help => ntpctl --help
ntpctl manual | man -l - => ntpctl manual | grep '^.SH'
systemctl reload ntp => systemctl reload ntp
ntpctl status [--json] => until_it ntpctl status && ntpctl status --json
ntpctl query HOST... [--json] => ntpctl query 10.9.0.1 && ntpctl query 10.9.0.1 ntp2.example --json
ntpctl dhcp INTERFACE SERVER.. => ntpctl dhcp eth7 10.9.0.3 && ntpctl dhcp eth7
ntpq verify [HOST...] [--wait S] => ntpq verify --wait 30 127.0.0.1
ntpq verify --max-offset 10 --min-sources 3 --max-distance 100 --wait 60 => ntpq verify --max-offset 10 --min-sources 1 --max-distance 1000 --wait 60
ntpq why => ntpq why
ntpq why [SOURCE] => ntpq why 10.9.0.1
ntpq why SOURCE => ntpq why 0.pool.ntp.org
ntpq [-n] [-p] [-c COMMAND] [HOST[:PORT]...] => ntpq -n -p -c associations 127.0.0.1 127.0.0.1:123
ntpq --watch[=S] [-c COMMAND] [HOST] => timeout 3 ntpq --watch=1 -c peers 127.0.0.1 || test $? = 124
ntpq --history[=DIRECTORY] => until_it ntpq --history=/var/log/ntpstats
ntpq --history => ntpq --history
ntpq -c 'help NAME' => ntpq -c 'help rootdisp'
ntpq -c mrulist => ntpq -c mrulist
ntpq -a 1 -k /etc/ntp.keys -c reslist => ntpq -a 1 -k /etc/ntp.keys -c reslist
ntpctl simulate world.toml -c /etc/ntp.conf --plot offset.svg => ntpctl simulate world.toml -c simulated.conf --plot offset.svg
ntpctl simulate SCENARIO.toml [-c FILE] [--seed N] [--plot FILE.svg] => ntpctl simulate world.toml -c simulated.conf --seed 3
ntpd -n => alone clock_or_words timeout 2 ntpd -n
ntpd -n -c FILE --port 11123 --clock=none => clock_or_words timeout 2 setpriv --reuid nobody --clear-groups ntpd -n -c simulated.conf --port 11123 --clock=none
ntpd -q -g => alone clock_or_words ntpd -q -g
LIST
# What is printed in blocks, and between single backquotes with at least one word behind the name.
{
    awk '/^```/ { inside = !inside; next } inside' README.md | sed 's/^\$ //; s/ *#.*//; s/ *$//' |
        grep -E '^(ntpq|ntpctl|ntpd|apt|systemctl) '
    awk '/^```/ { inside = !inside; next } !inside' README.md | sed 's/`cargo[^`]*`//g; s/`apt install [^`]*`//g' | tr '\n' ' ' |
        grep -oE '`(ntpq|ntpctl|ntpd|systemctl) [^`]*`' | tr -d '`'
} | grep -vxE 'ntpctl (add-server|simulate)' | awk '!seen[$0]++' >printed
sed 's/ => .*//' commands | sort >tried
sort printed | diff - tried
while IFS= read -r line; do
    eval "${line#* => }" </dev/null || { echo "not as README says: ${line%% => *}" && exit 1; }
done <commands
