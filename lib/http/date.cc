#include "http/date.h"

#include <algorithm>

namespace mesh::http {
namespace {

void digits(unsigned value, size_t width, char* out) {
  for (size_t i = width; i-- > 0; value /= 10) out[i] = char('0' + value % 10);
}

}  // namespace

std::string_view format_date(WallTime when, std::array<char, kDateBytes>& text) {
  using namespace std::chrono;
  constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  constexpr std::string_view kForm = "---, 00 --- 0000 00:00:00 GMT";
  const auto day = floor<days>(when);
  const year_month_day date(day);
  const hh_mm_ss time(floor<seconds>(when) - day);
  std::copy(kForm.begin(), kForm.end(), text.begin());
  char* const out = text.data();
  kDays.copy(out, 3, size_t{3} * weekday(day).c_encoding());
  digits(unsigned(date.day()), 2, out + 5);
  kMonths.copy(out + 8, 3, size_t{3} * (unsigned(date.month()) - 1));
  digits(unsigned(int(date.year())), 4, out + 12);
  digits(unsigned(time.hours().count()), 2, out + 17);
  digits(unsigned(time.minutes().count()), 2, out + 20);
  digits(unsigned(time.seconds().count()), 2, out + 23);
  return {out, kDateBytes};
}

}  // namespace mesh::http
