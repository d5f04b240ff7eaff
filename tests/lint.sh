#!/bin/bash
# Who may include what, and other rules that nobody would keep unless they were checked. TAP.
cd "${top_srcdir:-$(dirname "$0")/..}" || exit 1
n=0 failed=0
# none NAME PATTERN FILES…: no line of the files may match.
none() {
  local name=$1 pattern=$2 hits
  shift 2
  n=$((n + 1))
  hits=$(grep -nE -- "$pattern" "$@" /dev/null)
  if [ -z "$hits" ]; then echo "ok $n - $name"; else echo "not ok $n - $name"; sed 's/^/# /' <<< "$hits"; failed=1; fi
}
but() { local f; for f in fcgi-app/*.[ch]; do case " $* " in *" ${f#fcgi-app/} "*) ;; *) echo "$f" ;; esac; done; }
rules="fcgi-app/queue.c fcgi-app/concert.c fcgi-app/reservation.c fcgi-app/account.c fcgi-app/idem.c"

none 'mysql.h is included by db.c only' '#include *[<"](mysql/)?mysql\.h' $(but db.c)
none 'fcgiapp.h is included by req.c and worker.c only' '#include *[<"]fcgiapp\.h' $(but req.c worker.c)
none 'rules know neither JSON nor FastCGI' '#include *[<"](json-c/|json\.h|resp\.h|body\.h|req\.h|route\.h)' $rules
none 'handlers know no statement but through the rules' 'STMT_' fcgi-app/h_account.c fcgi-app/h_concert.c fcgi-app/h_queue.c fcgi-app/h_reservation.c
none 'the board is plain memory' '#include *"(db|queue|conf)\.h"' fcgi-app/board.c fcgi-app/board.h
none 'no statement is put together as text' 'printf\([^;]*"(SELECT|UPDATE|DELETE) ' fcgi-app/*.c
none 'statements stand in stmt.def only' '"(SELECT|INSERT|UPDATE|DELETE|CALL) ' $(but db.c migrate.c audit.c)
none 'public texts of errors stand in err.def only' '"(Another buyer|It is not your turn|The balance does not)' fcgi-app/*.c
none 'status numbers of errors stand in err.def only' '(resp_json|resp_bytes)\([^;]*, *[45][0-9][0-9]' fcgi-app/*.c
none 'COMMIT is said by procedures and one place of the audit only' 'COMMIT|mysql_commit' $(grep -L 'The only file that knows the client library' fcgi-app/*.c)
none 'nothing unsafe with strings' '[^_a-z](gets|strcat|strtok|sprintf\(.*%s.*%s)\(' fcgi-app/*.c
none 'no work left to be done later' 'TO''DO|FIX''ME|X''XX' fcgi-app/* sql/* nginx/* tests/stack autogen.sh

n=$((n + 1))
long=$(wc -l fcgi-app/*.[ch] | awk '$1 > 700 && $2 != "total"')
[ -z "$long" ] && echo "ok $n - no file past 700 lines" || { echo "not ok $n - no file past 700 lines"; echo "# $long"; failed=1; }
n=$((n + 1))
bare=$(awk '/^CREATE TABLE/ {t = 1; next} /^\)/ {t = 0} t && /^  [a-z_]+ / && !/COMMENT/ {print FILENAME ": " $0}' sql/*.sql)
[ -z "$bare" ] && echo "ok $n - every column tells its meaning" || { echo "not ok $n - every column tells its meaning"; echo "# $bare"; failed=1; }
echo "1..$n"
exit $failed
