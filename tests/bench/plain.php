<?php
// SPDX-License-Identifier: 0BSD
// Yardstick: what somebody writes in an afternoon instead of using this service. A counter and an
// insert to join, a conditional update and an insert to hold a seat, each pair in a transaction. It
// asks for no credential, keeps nobody waiting, looks at no limit, and keeps nothing by which
// anybody could prove anything later.
// POST plain.php?do=join&concert=N&user=N, POST plain.php?do=hold&performance=N&seat=N&user=N
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
header('Content-Type: application/json');

$password = getenv('PLAIN_PASSWORD');
$db = new mysqli('p:localhost', 'plain', $password, 'plain', null, getenv('PLAIN_SOCKET'));
$user = (int) $_GET['user'];
// All is prepared before the transaction: rows are locked for two statements and the commit only.
if ($_GET['do'] === 'join') {
    $concert = (int) $_GET['concert'];
    $draw = $db->prepare('UPDATE counter SET tail = LAST_INSERT_ID(tail + 1) WHERE concert_id = ?');
    $join = $db->prepare('INSERT INTO place (concert_id, number, user_id) VALUES (?, ?, ?)');
    $db->begin_transaction();
    $draw->execute([$concert]);
    $number = $draw->insert_id;
    $join->execute([$concert, $number, $user]);
    $db->commit();
    http_response_code(201);
    echo json_encode(['concertId' => $concert, 'userId' => $user, 'number' => $number]);
    exit;
}
$performance = (int) $_GET['performance'];
$seat = (int) $_GET['seat'];
$take = $db->prepare('UPDATE seat SET user_id = ?, taken_until = UNIX_TIMESTAMP() + 300'
    . ' WHERE performance_id = ? AND seat_number = ? AND taken_until <= UNIX_TIMESTAMP()');
$hold = $db->prepare('INSERT INTO reservation (performance_id, seat_number, user_id)'
    . ' VALUES (?, ?, ?)');
$db->begin_transaction();
$take->execute([$user, $performance, $seat]);
if ($take->affected_rows !== 1) {
    $db->rollback();
    http_response_code(409);
    echo '{"code":"SEAT_TAKEN"}';
    exit;
}
$hold->execute([$performance, $seat, $user]);
$db->commit();
http_response_code(201);
$id = $hold->insert_id;
echo json_encode(['reservationId' => $id, 'performanceId' => $performance, 'seatNumber' => $seat]);
