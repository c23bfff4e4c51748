import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.text.SimpleDateFormat;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.format.ResolverStyle;
import java.time.temporal.ChronoField;
import java.util.Calendar;
import java.util.Date;
import java.util.GregorianCalendar;
import java.util.Locale;
import java.util.TimeZone;

/** Prints and reads dates as Java does, one case a line: kind, milliseconds or text, zone, pattern, separated by tabs. */
public class JavaDates {
  /** English text with ISO weeks (Monday first, four days in the first). */
  private static final Locale ISO_WEEKS = Locale.forLanguageTag("en-US-u-fw-mon-rg-gbzzzz");

  public static void main(String[] arguments) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] fields = line.split("\t", -1);
      try {
        out.println(answer(fields[0], fields[1], fields[2], fields[3]));
      } catch (RuntimeException error) {
        out.println("!");
      }
    }
    out.flush();
  }

  private static String answer(String kind, String value, String zone, String pattern) {
    switch (kind) {
      case "DateTimeFormatter":
        return DateTimeFormatter.ofPattern(pattern, ISO_WEEKS)
            .format(Instant.ofEpochMilli(Long.parseLong(value)).atZone(ZoneId.of(zone)));
      case "SimpleDateFormat":
        TimeZone where = TimeZone.getTimeZone(zone);
        GregorianCalendar calendar = new GregorianCalendar(where, Locale.US);
        calendar.setGregorianChange(new Date(Long.MIN_VALUE));
        calendar.setFirstDayOfWeek(Calendar.MONDAY);
        calendar.setMinimalDaysInFirstWeek(4);
        SimpleDateFormat format = new SimpleDateFormat(pattern, Locale.US);
        format.setCalendar(calendar);
        format.setTimeZone(where);
        return format.format(new Date(Long.parseLong(value)));
      default:
        DateTimeFormatter reader = new DateTimeFormatterBuilder().parseCaseInsensitive().appendPattern(pattern)
            .parseDefaulting(ChronoField.ERA, 1).parseDefaulting(ChronoField.SECOND_OF_MINUTE, 0)
            .parseDefaulting(ChronoField.NANO_OF_SECOND, 0).toFormatter(Locale.US)
            .withResolverStyle(ResolverStyle.STRICT).withZone(ZoneOffset.UTC);
        return String.valueOf(ZonedDateTime.parse(value, reader).toInstant().toEpochMilli());
    }
  }
}
