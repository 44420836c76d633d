package summarize_test

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

func TestEncodingsAreDetected(t *testing.T) {
	const (
		japaneseText  = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"
		chinese       = "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。"
		traditional   = "人人生而自由,在尊嚴和權利上一律平等。他們賦有理性和良心,並應以兄弟關係的精神相對待。"
		koreanText    = "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다."
		russian       = "Все люди рождаются свободными и равными в своем достоинстве и правах."
		hebrew        = "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם."
		german        = "Alle Menschen sind frei und gleich an Würde und Rechten geboren – „Größe“: 5 €."
		french        = "Tous les êtres humains naissent libres et égaux en dignité et en droits."
		spanish       = "¿Qué pasó? Señor García, año 2020 – niño"
		portuguese    = "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Não há razão."
		english       = "It’s “quoted” – and nothing else that is not ASCII."
		germanTable   = "Name;Größe;Preis\r\nMüller;5;3 €\r\nJäger;7;2 €\r\n"
		japaneseTable = "品名,数量,価格\r\nりんご,5,100\r\nみかん,3,200\r\n"
		russianTable  = "Имя;Сумма\r\nИванов;5\r\n"
	)
	tests := []struct {
		name string
		enc  encoding.Encoding
		text string
	}{
		{"Shift_JIS", japanese.ShiftJIS, japaneseText},
		{"a table in Shift_JIS", japanese.ShiftJIS, japaneseTable},
		{"EUC-JP", japanese.EUCJP, japaneseText},
		{"ISO-2022-JP", japanese.ISO2022JP, japaneseText},
		{"GB18030", simplifiedchinese.GB18030, chinese},
		{"Big5", traditionalchinese.Big5, traditional},
		{"EUC-KR", korean.EUCKR, koreanText},
		{"Windows-1251", charmap.Windows1251, russian},
		{"a table in Windows-1251", charmap.Windows1251, russianTable},
		{"KOI8-R", charmap.KOI8R, russian},
		{"code page 866", charmap.CodePage866, russian},
		{"Windows-1255", charmap.Windows1255, hebrew},
		{"Windows-1252, German", charmap.Windows1252, german},
		{"Windows-1252, French", charmap.Windows1252, french},
		{"Windows-1252, Spanish", charmap.Windows1252, spanish},
		{"Windows-1252, Portuguese", charmap.Windows1252, portuguese},
		{"Windows-1252, English", charmap.Windows1252, english},
		{"Windows-1252, a table", charmap.Windows1252, germanTable},
		{"Windows-1252, a word", charmap.Windows1252, "Größe"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			content, err := tt.enc.NewEncoder().String(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			// Also behind much ASCII, and where a sample ends within a character.
			for name, c := range map[string][2]string{
				"alone":         {content, tt.text},
				"behind ASCII":  {strings.Repeat("plain\n", 30_000) + content, strings.Repeat("plain\n", 30_000) + tt.text},
				"a long line":   {strings.Repeat(content, 2_000), strings.Repeat(tt.text, 2_000)},
				"several lines": {strings.Repeat(content+"\n", 2_000), strings.Repeat(tt.text+"\n", 2_000)},
			} {
				doc, err := summarize.Parse("a.txt", summarize.KindText, []byte(c[0]))
				if err != nil || doc.Text != c[1] {
					t.Errorf("%s: %.60q, error %v", name, strings.TrimLeft(doc.Text, "plain\n"), err)
				}
			}
		})
	}
}
