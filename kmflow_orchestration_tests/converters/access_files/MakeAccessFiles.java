import com.healthmarketscience.jackcess.Column;
import com.healthmarketscience.jackcess.ColumnBuilder;
import com.healthmarketscience.jackcess.DataType;
import com.healthmarketscience.jackcess.Database;
import com.healthmarketscience.jackcess.Database.FileFormat;
import com.healthmarketscience.jackcess.DatabaseBuilder;
import com.healthmarketscience.jackcess.IndexBuilder;
import com.healthmarketscience.jackcess.Row;
import com.healthmarketscience.jackcess.Table;
import com.healthmarketscience.jackcess.TableBuilder;
import java.io.File;
import java.math.BigDecimal;
import java.text.SimpleDateFormat;
import java.util.Date;
import java.util.HashMap;
import java.util.Map;
import java.util.TimeZone;

/** Writes jet4.mdb and ace.accdb into the folder it is given; README.md says how to run it. */
public class MakeAccessFiles {
  private static final int PIECES = 700;

  public static void main(String[] args) throws Exception {
    TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
    make(FileFormat.V2000, new File(args[0], "jet4.mdb"));
    make(FileFormat.V2010, new File(args[0], "ace.accdb"));
  }

  private static Date at(String text) throws Exception {
    return new SimpleDateFormat("yyyy-MM-dd HH:mm:ss").parse(text);
  }

  private static ColumnBuilder column(String name, DataType type) {
    return new ColumnBuilder(name, type);
  }

  private static void make(FileFormat format, File file) throws Exception {
    file.delete();
    Database db = DatabaseBuilder.create(format, file);
    places(db);
    loans(db);
    history(db);
    new TableBuilder("Empty")
        .addColumn(column("when", DataType.SHORT_DATE_TIME))
        .addColumn(column("fee", DataType.MONEY))
        .toTable(db);
    db.createLinkedTable("Elsewhere", "C:\\data\\other.mdb", "Original");
    addToSystemTable(db, "MSysObjects", map("Id", 0x7F000001, "ParentId", 0x0F000001,
        "Name", "Open loans", "Type", (short) 5, "Flags", 0,
        "DateCreate", at("2026-11-30 00:00:00"), "DateUpdate", at("2026-11-30 00:00:00")));
    addToSystemTable(db, "MSysRelationships", map("ccolumn", 1, "grbit", 0x1000, "icolumn", 0,
        "szColumn", "place", "szObject", "Loans & Grants", "szReferencedColumn", "id",
        "szReferencedObject", "Orte übersicht", "szRelationship", "PlaceOfLoan"));
    if (format == FileFormat.V2010) {
      calculated(db);
      attachments(db);
    }
    db.close();
  }

  private static void places(Database db) throws Exception {
    Table table = new TableBuilder("Orte übersicht")
        .addColumn(column("id", DataType.LONG).setAutoNumber(true))
        .addColumn(column("Name", DataType.TEXT).setLengthInUnits(100))
        .addColumn(column("Notiz", DataType.MEMO))
        .addColumn(column("byte", DataType.BYTE))
        .addColumn(column("int", DataType.INT))
        .addColumn(column("single", DataType.FLOAT))
        .addColumn(column("double", DataType.DOUBLE))
        .addColumn(column("money", DataType.MONEY))
        .addColumn(column("decimal", DataType.NUMERIC).setPrecision(28).setScale(10))
        .addColumn(column("when", DataType.SHORT_DATE_TIME))
        .addColumn(column("flag", DataType.BOOLEAN))
        .addColumn(column("raw", DataType.BINARY).setLengthInUnits(40))
        .addColumn(column("ole", DataType.OLE))
        .addColumn(column("guid", DataType.GUID))
        .addIndex(new IndexBuilder(IndexBuilder.PRIMARY_KEY_NAME).addColumns("id").setPrimaryKey())
        .addIndex(new IndexBuilder("byName").addColumns("Name"))
        .toTable(db);
    StringBuilder memo = new StringBuilder("\uD83D\uDE00");
    for (int piece = 0; piece < PIECES; piece++) {
      memo.append(" line ").append(piece).append("\r\n");
    }
    byte[] blob = new byte[9000];
    for (int place = 0; place < blob.length; place++) {
      blob[place] = (byte) (place * 7);
    }
    table.addRow(Column.AUTO_NUMBER, "Z\u00fcrich, \"Altstadt\"", "a\r\nb", (byte) 200, (short) -32768,
        0.1f, 0.1, new BigDecimal("922337203685477.5807"),
        new BigDecimal("123456789012345678.0123456789"), at("1999-12-31 23:59:59"), true,
        new byte[] {0, 1, 34, 10, (byte) 255}, blob, "{12345678-90AB-CDEF-1234-567890ABCDEF}");
    table.addRow(Column.AUTO_NUMBER, "", "", null, null, null, null, null, null, null, false, null,
        null, null);
    table.addRow(Column.AUTO_NUMBER, null, null, (byte) 0, (short) 0, Float.MAX_VALUE,
        Double.MAX_VALUE, new BigDecimal("-0.0001"), new BigDecimal("-0.0000000001"),
        at("1899-12-29 06:00:00"), false, new byte[0], new byte[0], null);
    table.addRow(Column.AUTO_NUMBER, "NULL \u4e2d\u6587", memo.toString(), (byte) 1, (short) 1,
        Float.MIN_VALUE, 2.0 / 3, BigDecimal.ZERO, BigDecimal.ZERO, at("1600-02-29 12:34:56"), true,
        new byte[] {0}, new byte[] {0, 0}, null);
    table.addRow(Column.AUTO_NUMBER, " x ", "\t", (byte) 255, (short) 32767, 16777216f,
        1234567890.1234567, new BigDecimal("12.5"), new BigDecimal("1.5"),
        at("9999-12-31 23:59:59"), true, null, null, null);
  }

  private static void loans(Database db) throws Exception {
    Table table = new TableBuilder("Loans & Grants")
        .addColumn(column("loan no", DataType.LONG))
        .addColumn(column("place", DataType.LONG))
        .addIndex(
            new IndexBuilder(IndexBuilder.PRIMARY_KEY_NAME).addColumns("loan no").setPrimaryKey())
        .toTable(db);
    for (int number = 1; number <= 5; number++) {
      table.addRow(number, 1);
    }
  }

  /** Rows that were deleted, and rows that grew and had to move to another page. */
  private static void history(Database db) throws Exception {
    Table table = new TableBuilder("History")
        .addColumn(column("number", DataType.LONG))
        .addColumn(column("text", DataType.TEXT).setLengthInUnits(255))
        .toTable(db);
    for (int number = 0; number < 300; number++) {
      table.addRow(number, "short " + number);
    }
    for (Row row : table) {
      int number = row.getInt("number");
      if (number % 3 == 0) {
        table.deleteRow(row);
      } else if (number % 10 == 1) {
        StringBuilder text = new StringBuilder("long " + number + " ");
        while (text.length() < 250) {
          text.append('\u00e4');
        }
        row.put("text", text.toString());
        table.updateRow(row);
      }
    }
  }

  private static void calculated(Database db) throws Exception {
    Table table = new TableBuilder("Calculated")
        .addColumn(column("fee", DataType.LONG))
        .addColumn(column("twice", DataType.LONG).setCalculatedInfo("[fee]*2"))
        .addColumn(column("is_high", DataType.BOOLEAN).setCalculatedInfo("[fee]>10"))
        .addColumn(column("told", DataType.TEXT).setCalculatedInfo("\"fee \" & [fee]"))
        .addColumn(column("part", DataType.NUMERIC).setCalculatedInfo("[fee]/8"))
        .toTable(db);
    table.addRow(7, 14, false, "fee 7", new BigDecimal("0.875"));
    table.addRow(20, 40, true, "fee 20", new BigDecimal("-2.5"));
    table.addRow(null, null, null, null, null);
  }

  /** Two files of one row: where the test turns `files` into a column of attachments. */
  private static void attachments(Database db) throws Exception {
    Table owner = new TableBuilder("Cases")
        .addColumn(column("case", DataType.LONG))
        .addColumn(column("files", DataType.LONG))
        .toTable(db);
    owner.addRow(1, 11);
    Table files = new TableBuilder("f_0001_files")
        .addColumn(column("FileName", DataType.TEXT))
        .addColumn(column("FileData", DataType.OLE))
        .addColumn(column("_files", DataType.LONG))
        .toTable(db);
    files.addRow("a.txt", new byte[] {1, 2}, 11);
    files.addRow("b.txt", new byte[] {3}, 11);
    addToSystemTable(db, "MSysComplexColumns", map("ColumnName", "files", "ComplexID", 1,
        "ComplexTypeObjectID", 0, "ConceptualTableID", idOf(db, "Cases"),
        "FlatTableID", idOf(db, "f_0001_files")));
  }

  private static int idOf(Database db, String name) throws Exception {
    for (Row row : db.getSystemTable("MSysObjects")) {
      if (name.equals(row.getString("Name"))) {
        return row.getInt("Id");
      }
    }
    throw new IllegalStateException(name);
  }

  private static Map<String, Object> map(Object... parts) {
    Map<String, Object> found = new HashMap<String, Object>();
    for (int at = 0; at < parts.length; at += 2) {
      found.put((String) parts[at], parts[at + 1]);
    }
    return found;
  }

  private static void addToSystemTable(Database db, String name, Map<String, Object> row)
      throws Exception {
    db.getSystemTable(name).addRowFromMap(row);
  }
}
