#include "http/timestamp.h"

#include "base/text.h"

#include <spout/error.h>
#include <spout/httputil.h>

#include <time.h>

enum { DAY_SECONDS = 86400 };

static const char day_names[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char *const long_day_names[7] = { "Sunday", "Monday", "Tuesday", "Wednesday",
    "Thursday", "Friday", "Saturday" };
static const char month_names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
    "Sep", "Oct", "Nov", "Dec" };

typedef struct civil {
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute, second;
} civil;

/* Years are counted from March, so that the leap day is the last one: a year's days before month m
   are then (153m + 2) / 5. */
static int64_t days_from_civil(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t month_from_march = (month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static civil civil_from_days(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
                              day_of_era / 146096) /
                          365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    civil date = { .year = year_of_era + era * 400 };
    date.day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    date.month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    date.year += date.month <= 2;
    return date;
}

static char *put_digits(char *out, int64_t value, int digits)
{
    for (int i = digits; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
    return out + digits;
}

static char *put_text(char *out, const char *text)
{
    size_t len = strlen(text);
    memcpy(out, text, len);
    return out + len;
}

char *spout_format_timestamp(int64_t seconds, char out[30])
{
    const int64_t first = -62167219200, last = 253402300799; /* the years 0000 and 9999 */
    seconds = seconds < first ? first : seconds > last ? last : seconds;
    int64_t days = seconds / DAY_SECONDS, rest = seconds % DAY_SECONDS;
    if (rest < 0) {
        rest += DAY_SECONDS;
        days--;
    }
    civil date = civil_from_days(days);
    char *at = put_text(out, day_names[((days + 4) % 7 + 7) % 7]);
    at = put_digits(put_text(at, ", "), date.day, 2);
    at = put_text(put_text(at, " "), month_names[date.month - 1]);
    at = put_digits(put_text(at, " "), date.year, 4);
    at = put_digits(put_text(at, " "), rest / 3600, 2);
    at = put_digits(put_text(at, ":"), rest / 60 % 60, 2);
    at = put_digits(put_text(at, ":"), rest % 60, 2);
    memcpy(at, " GMT", 5);
    return out;
}

/* Readers take what they expect off the text's front, or say no. */

static bool take(const char **at, const char *expected)
{
    size_t len = strlen(expected);
    if (strncmp(*at, expected, len) != 0)
        return false;
    *at += len;
    return true;
}

static bool take_digits(const char **at, int digits, int *ret_value)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (!spi_is_digit((*at)[i]))
            return false;
        value = value * 10 + ((*at)[i] - '0');
    }
    *at += digits;
    *ret_value = value;
    return true;
}

static bool take_month(const char **at, int *ret_month)
{
    for (int i = 0; i < 12; i++) {
        if (take(at, month_names[i])) {
            *ret_month = i + 1;
            return true;
        }
    }
    return false;
}

static bool take_time(const char **at, civil *date)
{
    return take_digits(at, 2, &date->hour) && take(at, ":") && take_digits(at, 2, &date->minute) &&
           take(at, ":") && take_digits(at, 2, &date->second);
}

static bool take_year(const char **at, int digits, civil *date)
{
    int year;
    if (!take_digits(at, digits, &year))
        return false;
    date->year = year;
    return true;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" behind its comma */
static bool take_fixed_date(const char **at, civil *date)
{
    return take(at, " ") && take_digits(at, 2, &date->day) && take(at, " ") &&
           take_month(at, &date->month) && take(at, " ") && take_year(at, 4, date) &&
           take(at, " ") && take_time(at, date) && take(at, " GMT");
}

/* "Sunday, 06-Nov-94 08:49:37 GMT" behind its comma: a year more than 50 years ahead is one of the
   past. */
static bool take_rfc850_date(const char **at, int64_t now, civil *date)
{
    if (!take(at, " ") || !take_digits(at, 2, &date->day) || !take(at, "-") ||
        !take_month(at, &date->month) || !take(at, "-") || !take_year(at, 2, date) ||
        !take(at, " ") || !take_time(at, date) || !take(at, " GMT"))
        return false;
    int64_t this_year = civil_from_days(now / DAY_SECONDS).year;
    date->year += this_year / 100 * 100;
    if (date->year > this_year + 50)
        date->year -= 100;
    return true;
}

/* "Sun Nov  6 08:49:37 1994" behind the day's name */
static bool take_asctime_date(const char **at, civil *date)
{
    if (!take(at, " ") || !take_month(at, &date->month) || !take(at, " "))
        return false;
    bool has_day = take(at, " ") ? take_digits(at, 1, &date->day) : take_digits(at, 2, &date->day);
    return has_day && take(at, " ") && take_time(at, date) && take(at, " ") &&
           take_year(at, 4, date);
}

static int month_days(const civil *date)
{
    static const char days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = date->year % 4 == 0 && (date->year % 100 != 0 || date->year % 400 == 0);
    return days[date->month - 1] + (leap && date->month == 2);
}

static bool take_date(const char **at, int64_t now, civil *date)
{
    for (int i = 0; i < 7; i++) {
        if (take(at, long_day_names[i]))
            return take(at, ",") && take_rfc850_date(at, now, date);
        if (take(at, day_names[i]))
            return take(at, ",") ? take_fixed_date(at, date) : take_asctime_date(at, date);
    }
    return false;
}

int spi_parse_timestamp_at(const char *text, int64_t now, int64_t *ret_seconds)
{
    civil date = { 0 };
    if (!text || !take_date(&text, now, &date) || *text || date.day < 1 ||
        date.day > month_days(&date) || date.hour > 23 || date.minute > 59 || date.second > 60)
        return spout_error_set(SPOUT_EINVAL, "not a date of HTTP");
    *ret_seconds = days_from_civil(date.year, date.month, date.day) * DAY_SECONDS +
                   date.hour * 3600 + date.minute * 60 + date.second;
    return 0;
}

int spout_parse_timestamp(const char *text, int64_t *ret_seconds)
{
    return spi_parse_timestamp_at(text, (int64_t)time(NULL), ret_seconds);
}
