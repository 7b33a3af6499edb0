// RFC 9293 s.3.10.7.4, the seventh and eighth steps: text and FIN, in order and not, trimmed at
// both edges of the window; and when they are acknowledged (s.3.8.6.3, RFC 5681 s.4.2).

#include <gtest/gtest.h>

#include "tests/script.h"

namespace pollux::test {
namespace {

tcp::Config small_buffer(std::uint32_t bytes) {
  tcp::Config config;
  config.receive_buffer = bytes;
  config.offer_window_scale = false;
  return config;
}

// --- acknowledging ---

TEST(DelayedAck, OneSegmentWaits) {  // SHLD-18, MUST-40
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1000})
      .at(39ms)
      .sends_nothing()
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 1001_seq});
}

TEST(DelayedAck, IsNotPutOffByFurtherText) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .at(30ms)
      .hold()
      .arrives({.seq = 11_seq, .ack = 1_seq, .text = 10})
      .flush()
      .sends({.seq = 1_seq, .ack = 21_seq})
      .at(1s)
      .sends_nothing();
}

TEST(DelayedAck, EverySecondSegmentIsAcknowledgedAtOnce) {  // SHLD-19
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1000})
      .sends_nothing()
      .arrives({.seq = 1001_seq, .ack = 1_seq, .text = 1000})
      .sends({.seq = 1_seq, .ack = 2001_seq})
      .arrives({.seq = 2001_seq, .ack = 1_seq, .text = 1000})
      .sends_nothing()
      .arrives({.seq = 3001_seq, .ack = 1_seq, .text = 1000})
      .sends({.seq = 1_seq, .ack = 4001_seq});
}

TEST(DelayedAck, ABurstIsAcknowledgedOnce) {  // MUST-58, MUST-59
  Script::established()
      .hold()
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1000})
      .arrives({.seq = 1001_seq, .ack = 1_seq, .text = 1000})
      .arrives({.seq = 2001_seq, .ack = 1_seq, .text = 1000})
      .arrives({.seq = 3001_seq, .ack = 1_seq, .text = 1000})
      .flush()
      .sends({.seq = 1_seq, .ack = 4001_seq});
}

TEST(DelayedAck, RidesOnText) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .writes(50)
      .sends({.seq = 1_seq, .ack = 101_seq, .text = 50})
      .arrives({.seq = 101_seq, .ack = 51_seq})
      .at(10s)
      .sends_nothing();
}

TEST(DelayedAck, FinIsAcknowledgedAtOnce) {  // eighth
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin, .text = 10})
      .sends({.seq = 1_seq, .ack = 12_seq})
      .at(10s)
      .sends_nothing();
}

TEST(Ack, OfAnAckIsNeverSent) {
  Script::established().arrives({.seq = 1_seq, .ack = 1_seq}).at(10s).sends_nothing();
}

// --- out of order ---

TEST(OutOfOrder, TextPastAGapIsKeptAndAcknowledgedAtOnce) {  // SHLD-31, MAY-13
  Script::established()
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})
      .verdict([](const tcp::Verdict& v) { return v.keep_text && v.out_of_order && !v.readable; })
      .flights(1)
      .readable(0)
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .verdict([](const tcp::Verdict& v) { return v.keep_text && !v.out_of_order && v.readable; })
      .readable(200)
      .flights(0)
      .sends({.seq = 1_seq, .ack = 201_seq});
}

TEST(OutOfOrder, FillingAPartOfAGapIsAcknowledgedAtOnce) {  // RFC 5681 s.4.2
  Script::established()
      .arrives({.seq = 201_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .readable(100)
      .sends({.seq = 1_seq, .ack = 101_seq})
      .flights(1)
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})
      .readable(300)
      .sends({.seq = 1_seq, .ack = 301_seq});
}

TEST(OutOfOrder, OverlapsOnBothSidesAreCountedOnce) {
  Script::established()
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})  // 101-200
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 301_seq, .ack = 1_seq, .text = 100})  // 301-400
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 151_seq, .ack = 1_seq, .text = 200})  // 151-350
      .verdict([](const tcp::Verdict& v) { return v.text_offset == 0 && v.text_length == 200; })
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 150})  // 1-150
      .readable(400)
      .sends({.seq = 1_seq, .ack = 401_seq});
}

TEST(OutOfOrder, TextThatIsHeldAlreadyIsNotKeptAgain) {
  Script::established()
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 121_seq, .ack = 1_seq, .text = 50})
      .verdict([](const tcp::Verdict& v) { return v.duplicate && !v.keep_text; })
      .sends({.seq = 1_seq, .ack = 1_seq});
}

TEST(OutOfOrder, FinPastAGapWaitsForTheText) {
  Script::established()
      .arrives({.seq = 101_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .state(State::established)
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .readable(100)
      .peer_closed()
      .flights(0)
      .state(State::close_wait)
      .sends({.seq = 1_seq, .ack = 102_seq});
}

TEST(OutOfOrder, TextWithFinPastAGapEndsAConnectionThatIsClosed) {
  Script::established()
      .shuts_down()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 101_seq, .ack = 2_seq, .control = fin, .text = 100})
      .state(State::fin_wait_2)
      .sends({.seq = 2_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 2_seq, .text = 100})
      .readable(200)
      .state(State::time_wait)
      .sends({.seq = 2_seq, .ack = 202_seq});
}

TEST(OutOfOrder, FinThatTextContradictsIsForgotten) {
  Script::established()
      .arrives({.seq = 51_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .readable(100)
      .flights(0)
      .state(State::established)
      .sends({.seq = 1_seq, .ack = 101_seq});
}

TEST(OutOfOrder, MoreGapsThanThereIsRoomForAreRefused) {
  Script script = Script::established();
  for (std::uint32_t i = 1; i <= tcp::OutOfOrder::max_ranges; ++i) {
    script.arrives({.seq = 1_seq + 20 * i, .ack = 1_seq, .text = 10})
        .drops(Drop::none)
        .sends({.seq = 1_seq, .ack = 1_seq});
  }
  script.arrives({.seq = 1_seq + 20 * 17, .ack = 1_seq, .text = 10})
      .drops(Drop::tcp_no_buffer)
      .verdict([](const tcp::Verdict& v) { return !v.keep_text; })
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 20})  // the first gap: room again
      .readable(30)
      .sends({.seq = 1_seq, .ack = 31_seq})
      .arrives({.seq = 1_seq + 20 * 17, .ack = 1_seq, .text = 10})
      .drops(Drop::none)
      .sends({.seq = 1_seq, .ack = 31_seq});
}

TEST(OutOfOrder, WithoutAFlightTextPastAGapIsDroppedAndCounted) {
  Script::established({.flights = 0})
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})
      .drops(Drop::tcp_no_buffer)
      .verdict([](const tcp::Verdict& v) { return v.flights_exhausted && !v.keep_text; })
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .readable(100)
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})
      .readable(200)
      .sends({.seq = 1_seq, .ack = 201_seq});
}

TEST(OutOfOrder, AFlightIsGivenBackHoweverItEnds) {
  Script::established()
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .control = rst})
      .flights(0);
  Script::established()
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .aborts()
      .flights(0)
      .sends({.seq = 1_seq, .ack = 1_seq, .control = rst});
}

// --- trimming ---

TEST(Trim, OldBytesAtTheFrontAreCutOff) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .arrives({.seq = 51_seq, .ack = 1_seq, .text = 100})
      .verdict([](const tcp::Verdict& v) {
        return v.keep_text && v.text_offset == 50 && v.text_length == 50;
      })
      .readable(150)
      .sends({.seq = 1_seq, .ack = 151_seq});
}

TEST(Trim, BytesBeyondTheWindowAreCutOffWithTheFin) {
  Script::established({.config = small_buffer(1000)})
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin, .text = 1200})
      .verdict([](const tcp::Verdict& v) { return v.text_offset == 0 && v.text_length == 1000; })
      .readable(1000)
      .state(State::established)
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 1001_seq, .window = 0});
}

TEST(Trim, TextThatBeginsAtTheEdgeIsRefused) {
  Script::established({.config = small_buffer(1000)})
      .arrives({.seq = 1001_seq, .ack = 1_seq, .text = 1})
      .drops(Drop::tcp_bad_sequence)
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1000_seq, .ack = 1_seq, .text = 1})
      .drops(Drop::none)
      .sends({.seq = 1_seq, .ack = 1_seq});
}

TEST(Trim, FinWithoutRoomForItIsCutOff) {
  Script::established({.config = small_buffer(1000)})
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin, .text = 1000})
      .readable(1000)
      .state(State::established)
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 1001_seq, .window = 0})
      .reads(1000)
      .sends({.seq = 1_seq, .ack = 1001_seq, .window = 1000})
      .arrives({.seq = 1001_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 1_seq, .ack = 1002_seq})
      .state(State::close_wait);
}

TEST(Trim, FinAloneIntoAClosedWindowIsNotTaken) {  // table 6
  Script::established({.config = small_buffer(1000)})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1000})
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 1001_seq, .window = 0})
      .arrives({.seq = 1001_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 1_seq, .ack = 1001_seq, .window = 0})
      .state(State::established);
}

TEST(Trim, ASegmentThatSpansTheWholeWindowIsCutAtBothEnds) {
  Script::established({.config = small_buffer(1000)})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 500})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1400})
      .verdict([](const tcp::Verdict& v) { return v.text_offset == 500 && v.text_length == 500; })
      .readable(1000)
      .sends({.seq = 1_seq, .ack = 1001_seq, .window = 0});
}

TEST(Text, RepeatedFinIsAcknowledgedInEveryStateAfterIt) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin, .text = 10})
      .sends({.seq = 1_seq, .ack = 12_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin, .text = 10})
      .sends({.seq = 1_seq, .ack = 12_seq})
      .arrives({.seq = 11_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 1_seq, .ack = 12_seq})
      .state(State::close_wait)
      .readable(10);
}

TEST(Text, UrgentTextIsReadLikeAnyOther) {  // MUST-30
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = urg, .text = 10})
      .readable(10)
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 11_seq});
}

}  // namespace
}  // namespace pollux::test
