#include "cli/about.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pollux::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(Manual, HasEveryOptionOfItsProgramAndNoOther) {
  for (const About* about : abouts) {
    const std::string page = manual(*about);
    for (const OptionRow& row : option_table()) {
      std::string heading;
      for (const char c : row.text.name) heading += c == '-' ? "\\-" : std::string(1, c);
      // Its heading ends with the line, or with the word for its value.
      heading = (row.text.value.empty() ? ".B " : ".BI ") + heading +
                (row.text.value.empty() ? "\n" : " \"");
      EXPECT_EQ(page.find(heading) != page.npos, row.belongs_to(about->program)) << heading;
    }
  }
}

TEST(Manual, NoTextIsTakenForARequest) {
  const std::string page =
      manual({Program::httpd, "pollux-x", "pollux-x does a\\b.", ".B not bold\n'this neither"});
  EXPECT_THAT(page, HasSubstr("pollux\\-x \\- does a\\eb\n"));
  EXPECT_THAT(page, HasSubstr("\n\\&.B not bold\n\\&'this neither\n"));
  EXPECT_THAT(page, StartsWith(".TH POLLUX\\-X 1 "));
}

TEST(BashCompletion, KnowsWordsFilesAndWhatNobodyCanGuess) {
  const std::string text = bash_completion(about_load);
  EXPECT_THAT(text, HasSubstr("    --close)\n      mapfile -t COMPREPLY < <(compgen -W "
                              "\"server client\" -- \"$current\")\n"));
  EXPECT_THAT(text, HasSubstr("    --json | --capture | --config)\n"));
  EXPECT_THAT(text, Not(HasSubstr("--cps)")));  // "N|max" is no list of words
  EXPECT_THAT(text, HasSubstr("complete -F _pollux_load pollux-load\n"));
  EXPECT_THAT(text, Not(HasSubstr("--listen")));
}

}  // namespace
}  // namespace pollux::cli
