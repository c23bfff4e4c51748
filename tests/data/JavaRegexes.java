import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What Java's regexes and their groups find: a line has regex and text, as UTF-16 in hexadecimal, separated by a tab. */
public class JavaRegexes {
  public static void main(String[] arguments) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] fields = line.split("\t", -1);
      List<String> answer = new ArrayList<>();
      try {
        Matcher matcher = Pattern.compile(text(fields[0])).matcher(text(fields[1]));
        answer.add(String.valueOf(matcher.matches()));
        matcher.reset();
        while (matcher.find()) {
          StringBuilder found = new StringBuilder(matcher.start() + "-" + matcher.end());
          for (int group = 1; group <= matcher.groupCount(); group++) {
            found.append(matcher.start(group) < 0 ? "," : "," + matcher.start(group) + "-" + matcher.end(group));
          }
          answer.add(found.toString());
        }
      } catch (RuntimeException error) {
        answer = List.of("!");
      }
      System.out.println(String.join(" ", answer));
    }
  }

  private static String text(String hexadecimal) {
    StringBuilder text = new StringBuilder();
    for (int at = 0; at < hexadecimal.length(); at += 4) {
      text.append((char) Integer.parseInt(hexadecimal.substring(at, at + 4), 16));
    }
    return text.toString();
  }
}
