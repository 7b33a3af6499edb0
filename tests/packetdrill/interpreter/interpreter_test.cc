// The interpreter finds what differs from a script: one that is right, and the same with one thing
// changed at a time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>

#include "connection.h"
#include "parser.h"
#include "runner.h"

namespace pollux::interpreter {
namespace {

const std::string good = R"(// flags: ts=1,sack=1
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 1000:1000(0) win 65535 <mss 1460,sackOK,TS val 5000 ecr 0>
+0 > S. 0:0(0) ack 1001 win 65535 <mss 1460,sackOK,TS val 100 ecr 5000>
+.1 < . 1:1(0) ack 1 win 65535 <nop,nop,TS val 5100 ecr 100>
+0 accept(3, ..., ...) = 4
+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 read(4, ..., 1000) = -1 EAGAIN (Resource temporarily unavailable)
+0...0.05 poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, 1000) = 1
+.05 < P. 1:101(100) ack 1 win 65535 <nop,nop,TS val 5150 ecr 100>
+0 ioctl(4, SIOCINQ, [100]) = 0
+0 read(4, ..., 1000) = 100
+.04 > . 1:1(0) ack 101 <nop,nop,TS val 290 ecr 5150>
+0 write(4, ..., 100) = 100
+0 > P. 1:101(100) ack 101 <nop,nop,TS val 290 ecr 5150>
+.1 < . 301:401(100) ack 101 win 65535 <nop,nop,TS val 5300 ecr 290>
+0 > . 101:101(0) ack 101 <nop,nop,TS val 390 ecr 5150,nop,nop,sack 301:401>
+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [0], [4]) = 0
+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0
+0 close(4) = 0
+0 > R. 101:101(0) ack 101 <nop,nop,TS val 390 ecr 5150>
)";

std::optional<Failure> run_text(const std::string& text) {
  const Script script = parse(text);
  std::string error;
  const Stack stack = load(std::getenv("POLLUX_PLUGIN"), script.flags, error);
  EXPECT_NE(stack, nullptr) << error;
  return run(script, stack);
}

int line_of(const std::string& text, std::size_t at) {
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<long>(at), '\n'));
}

/// The good script with `from` replaced by `to` fails in the line of `from`, or `later` lines
/// behind it, with these words.
void expect_failure(const std::string& from, const std::string& to, const std::string& words,
                    int later = 0) {
  SCOPED_TRACE(from + " -> " + to);
  std::string text = good;
  const std::size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos);
  const int line = line_of(text, at);
  text.replace(at, from.size(), to);
  const auto failure = run_text(text);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->line, line + later) << failure->what;
  EXPECT_NE(failure->what.find(words), std::string::npos) << failure->what;
}

TEST(Interpreter, AScriptThatIsRightPasses) {
  const auto failure = run_text(good);
  EXPECT_FALSE(failure.has_value()) << (failure ? failure->what : "");
}

TEST(Interpreter, FindsAWrongField) {
  expect_failure("> P. 1:101(100)", "> P. 2:102(100)", "seq is 1, not 2");
  expect_failure("> P. 1:101(100)", "> P. 1:100(99)", "the length is 100, not 99");
  expect_failure("> P. 1:101(100)", "> . 1:101(100)", "the flags differ");
  expect_failure("> . 1:1(0) ack 101", "> . 1:1(0) ack 100", "ack is 101, not 100");
  expect_failure("win 65535 <mss 1460,sackOK,TS val 100", "win 65534 <mss 1460,sackOK,TS val 100",
                 "win is 65535, not 65534");
  expect_failure("> P. 1:101(100)", "> [ect0] P. 1:101(100)", "ECN");
}

TEST(Interpreter, FindsAWrongOption) {
  expect_failure("<mss 1460,sackOK,TS val 100", "<mss 1400,sackOK,TS val 100", "options differ");
  expect_failure("<mss 1460,sackOK,TS val 100", "<mss 1460,nop,nop,TS val 100", "options differ");
  expect_failure(" <mss 1460,sackOK,TS val 100 ecr 5000>", "", "options differ");
  expect_failure("TS val 100 ecr 5000", "TS val 100 ecr 5001", "options differ");
  expect_failure("sack 301:401", "sack 301:402", "options differ");
  expect_failure("TS val 390", "TS val 380", "options differ");
}

TEST(Interpreter, FindsASegmentThatIsMissing) {
  expect_failure("+.04 > . 1:1(0) ack 101 <",
                 "+.04 > . 1:1(0) ack 101 <...>\n+0 > . 1:1(0) ack 1 <", "nothing is sent", 1);
}

TEST(Interpreter, FindsASegmentTooMany) {
  // Before one that is expected, and at the script's end.
  expect_failure("+.04 > . 1:1(0) ack 101 <nop,nop,TS val 290 ecr 5150>",
                 "+.045 write(4, ..., 0) = 0", "came . 1:1(0) ack 101", 2);
  expect_failure("+0 > R. 101:101(0) ack 101 <nop,nop,TS val 390 ecr 5150>\n", "",
                 "is not in the script: R. 101:101(0)", -1);
}

TEST(Interpreter, FindsAWrongTime) {
  expect_failure("+.04 > .", "+.05 > .", "it is sent at 0.190");
  expect_failure("+.04 > .", "+.03 > .", "it is sent at 0.190");
  expect_failure("+.04 > .", "+.045~+.06 > .", "it is sent at 0.190");
  expect_failure("+0...0.05 poll", "+0...0.07 poll", "it returns at 0.150");
}

TEST(Interpreter, FindsAWrongResult) {
  expect_failure("= -1 EAGAIN (Resource temporarily unavailable)", "= -1 ENOTCONN (words)",
                 "the result is -1 EAGAIN, not -1 ENOTCONN");
  expect_failure("= -1 EAGAIN (Resource temporarily unavailable)", "= 0",
                 "the result is -1 EAGAIN");
  expect_failure("read(4, ..., 1000) = 100", "read(4, ..., 1000) = 99",
                 "the result is 100, not 99");
  expect_failure("[100]) = 0", "[99]) = 0", "the value is 100, not 99");
  expect_failure("SO_ERROR, [0]", "SO_ERROR, [1]", "the value is 0, not 1");
  expect_failure("revents=POLLIN", "revents=POLLOUT", "revents is 1, not 4");
}

TEST(Interpreter, FindsACallThatNeverReturns) {
  expect_failure("+0 accept(3, ..., ...) = 4\n+0 fcntl",
                 "+0 accept(3, ..., ...) = 4\n+0...0.01 accept(3, ..., ...) = 5\n+.02 fcntl",
                 "it has not returned", 1);
}

TEST(Interpreter, ReadsTheStreamFromWhereItStopped) {
  expect_failure("+0 ioctl(4, SIOCINQ, [100]) = 0\n",
                 "+0 recv(4, ..., 60, MSG_PEEK) = 60\n+0 read(4, ..., 60) = 60\n"
                 "+0 recv(4, ..., 40, MSG_PEEK) = 40\n",
                 "the result is 40, not 100", 3);
}

TEST(Interpreter, TellsOneByteOfAStreamFromAnother) {
  Connection connection;
  Arrival arrival;
  arrival.tcp.seq = 301;  // of the 301st byte, since nothing says that the first number is not 0
  arrival.text = {pattern(300), pattern(301)};
  EXPECT_EQ(connection.check_text(arrival), "");
  arrival.text = {pattern(300), pattern(300)};
  EXPECT_EQ(connection.check_text(arrival), "its byte 1 is not the stream's");
}

void expect_syntax_error(const std::string& text, int line, const std::string& words) {
  SCOPED_TRACE(text);
  try {
    parse(text);
    ADD_FAILURE() << "it was read";
  } catch (const SyntaxError& wrong) {
    EXPECT_EQ(wrong.line, line);
    EXPECT_NE(wrong.what.find(words), std::string::npos) << wrong.what;
  }
}

TEST(Parser, SaysInWhichLineASyntaxErrorIs) {
  expect_syntax_error("", 1, "no event");
  expect_syntax_error("+1 close(3) = 0", 1, "at time 0");
  expect_syntax_error("0 close(3) = 0\n+0 clse(3) = 0", 2, "no such system call");
  expect_syntax_error("0 close(3, 4) = 0", 1, "2 arguments");
  expect_syntax_error("0 close(3) = -1 EBADF", 1, "parentheses");
  expect_syntax_error("0 close(3) = -1 EFOO", 1, "no such constant");
  expect_syntax_error("0 close(3) = O_RDWR", 1, "a result");
  expect_syntax_error("0 < . 1:1(0) ack 1", 1, "'win'");
  expect_syntax_error("0 < . 1:2(0) ack 1 win 1", 1, "the length");
  expect_syntax_error("0 < X 1:1(0) win 1", 1, "flags");
  expect_syntax_error("0 < . 1:1(0) win 1", 1, "'ack'");
  expect_syntax_error("0 < S 0:0(0) win 1 <mss 1460,sackOK>", 1, "whole words");
  expect_syntax_error("0 < S 0:0(0) win 1 <...>", 1, "its own");
  expect_syntax_error("* < S 0:0(0) win 1", 1, "range");
  expect_syntax_error("* > S 0:0(0)", 1, "time 0");
  expect_syntax_error("0 < S 0:0(0) win 1\n/* a\ncomment */ +0~+1 close(3) = 0", 3, "range");
  expect_syntax_error("0 close(3) = 0 $", 1, "'$'");
  expect_syntax_error("0 /* close(3) = 0", 1, "comment");
}

TEST(Parser, IsTotal) {
  // Whatever the script ends with, it is read or refused; so with any byte that has no place there.
  for (std::size_t n = 0; n < good.size(); ++n) {
    for (const char* const end : {"", "\n", "\x80", "-", "99999999999999999999"}) {
      try {
        parse(good.substr(0, n) + end);
      } catch (const SyntaxError& wrong) {
        EXPECT_FALSE(wrong.what.empty());
      }
    }
  }
}

TEST(Parser, ReadsTimesAndFlags) {
  const Script script = parse(
      "// flags: a=b,c=d \n0 > . 1:1(0) ack 1\n+.000250~+2 > - 1:1(0)\n"
      "* > SEW 0:0(0)\n1.5...2 close(3) = 0");
  EXPECT_EQ(script.flags, "a=b,c=d");
  ASSERT_EQ(script.events.size(), 4u);
  EXPECT_EQ(script.events[1].time.from, 250);
  EXPECT_EQ(script.events[1].time.until, 2'000'000);
  EXPECT_EQ(script.events[1].time.kind, Time::Kind::relative);
  EXPECT_EQ(script.events[1].text, "> - 1:1(0)");
  EXPECT_EQ(script.events[2].time.kind, Time::Kind::any);
  EXPECT_EQ(std::get<Tcp>(std::get<Packet>(script.events[2].what).what).control, 0xC2);
  EXPECT_EQ(std::get<Call>(script.events[3].what).end, 2'000'000);
}

}  // namespace
}  // namespace pollux::interpreter
