//! Names that people of a company with five sites have.

use crate::random::Random;

/// A person's name as written, in whatever letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) given: &'static str,
    pub(super) family: &'static str,
    /// Whether the family name stands first, without a space between.
    family_first: bool,
}

impl Name {
    pub(super) const fn new(given: &'static str, family: &'static str) -> Name {
        Name { given, family, family_first: false }
    }

    pub(super) const fn family_first(family: &'static str, given: &'static str) -> Name {
        Name { given, family, family_first: true }
    }

    /// Somebody's name; the same one may come twice, as in life.
    pub(super) fn random(random: &mut Random) -> Name {
        let culture = random.pick(CULTURES);
        let (given, family) = (random.pick(culture.given), random.pick(culture.family));
        Name { given, family, family_first: culture.family_first }
    }

    /// The whole name, as its bearer writes it.
    pub(super) fn full(&self) -> String {
        if self.family_first {
            format!("{}{}", self.family, self.given)
        } else {
            format!("{} {}", self.given, self.family)
        }
    }

    /// What the name makes of a user name: `zoe.mueller`.
    pub(super) fn user_name(&self) -> String {
        format!("{}.{}", latin(self.given), latin(self.family))
    }
}

struct Culture {
    given: &'static [&'static str],
    family: &'static [&'static str],
    family_first: bool,
}

const CULTURES: &[Culture] = &[
    Culture {
        given: &[
            "Anna",
            "Björn",
            "Claudia",
            "Dieter",
            "Eva",
            "Felix",
            "Grit",
            "Hannes",
            "Jörg",
            "Katharina",
            "Lena",
            "Matthias",
            "Renate",
            "Sören",
            "Uwe",
            "Yvonne",
        ],
        family: &[
            "Bauer",
            "Becker",
            "Fischer",
            "Groß",
            "Hoffmann",
            "Jäger",
            "Köhler",
            "Krüger",
            "Lehmann",
            "Müller",
            "Neumann",
            "Schröder",
            "Schäfer",
            "Vogel",
            "Weiß",
            "Zimmermann",
        ],
        family_first: false,
    },
    Culture {
        given: &[
            "Agnieszka",
            "Bartosz",
            "Celina",
            "Dawid",
            "Ewa",
            "Grażyna",
            "Jakub",
            "Joanna",
            "Kinga",
            "Marek",
            "Michał",
            "Paweł",
            "Sławomir",
            "Teresa",
            "Wioletta",
            "Zbigniew",
        ],
        family: &[
            "Duda",
            "Gołąb",
            "Jaworski",
            "Kaczmarek",
            "Król",
            "Mazur",
            "Nowak",
            "Pawlak",
            "Sikora",
            "Stępień",
            "Walczak",
            "Wieczorek",
            "Wrona",
            "Wróbel",
            "Zając",
            "Zięba",
        ],
        family_first: false,
    },
    Culture {
        given: &[
            "Ayşe", "Barış", "Can", "Çağla", "Elif", "Emre", "Gökhan", "Gül", "Hakan", "İpek", "Kerem",
            "Merve", "Onur", "Özlem", "Selin", "Tolga",
        ],
        family: &[
            "Arslan", "Aydın", "Çelik", "Demir", "Doğan", "Erdoğan", "Kaya", "Kılıç", "Koç", "Öztürk",
            "Polat", "Şahin", "Taş", "Türkmen", "Yıldız", "Yılmaz",
        ],
        family_first: false,
    },
    Culture {
        given: &["伟", "芳", "敏", "静", "磊", "洋", "勇", "艳", "杰", "娟", "涛", "明", "超", "霞"],
        family: &["王", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "胡"],
        family_first: true,
    },
    Culture {
        given: &[
            "Aoife", "Brendan", "Ciarán", "Deirdre", "Eoin", "Fiona", "Gráinne", "Hugh", "James", "Kate",
            "Liam", "Maeve", "Niamh", "Oisín", "Róisín", "Thomas",
        ],
        family: &[
            "Byrne",
            "Carroll",
            "Collins",
            "Daly",
            "Doyle",
            "Fitzgerald",
            "Gallagher",
            "Kelly",
            "Lynch",
            "McCarthy",
            "Murphy",
            "Nolan",
            "O'Connor",
            "O'Neill",
            "Ryan",
            "Walsh",
        ],
        family_first: false,
    },
    Culture {
        given: &[
            "Amélie",
            "Benoît",
            "Carmen",
            "Diego",
            "Élise",
            "François",
            "Inés",
            "José",
            "Lucía",
            "Mathieu",
            "Núria",
            "Pablo",
            "Sofía",
            "Théo",
            "Víctor",
            "Zélie",
        ],
        family: &[
            "Blanc",
            "Castro",
            "Dubois",
            "Fernández",
            "García",
            "Gómez",
            "Lefèvre",
            "López",
            "Martín",
            "Moreau",
            "Muñoz",
            "Núñez",
            "Peña",
            "Rousseau",
            "Sánchez",
            "Vidal",
        ],
        family_first: false,
    },
];

/// Letters of user names: Latin ones, in lower case, without marks. What has no letter of its own is left
/// out.
fn latin(text: &str) -> String {
    text.to_lowercase().chars().map(latin_letters).collect()
}

fn latin_letters(letter: char) -> &'static str {
    const ASCII: &str = "abcdefghijklmnopqrstuvwxyz";
    if let Some(position) = ASCII.find(letter) {
        return &ASCII[position..=position];
    }
    match letter {
        'á' | 'ą' => "a",
        'ä' => "ae",
        'ç' | 'ć' => "c",
        'é' | 'è' | 'ë' | 'ę' => "e",
        'ğ' => "g",
        'í' | 'î' | 'ı' => "i",
        'ł' => "l",
        'ñ' | 'ń' => "n",
        'ó' => "o",
        'ö' => "oe",
        'ş' | 'ś' => "s",
        'ß' => "ss",
        'ú' => "u",
        'ü' => "ue",
        'ż' | 'ź' => "z",
        '伟' => "wei",
        '芳' => "fang",
        '敏' => "min",
        '静' => "jing",
        '磊' => "lei",
        '洋' | '杨' => "yang",
        '勇' => "yong",
        '艳' => "yan",
        '杰' => "jie",
        '娟' => "juan",
        '涛' => "tao",
        '明' => "ming",
        '超' => "chao",
        '霞' => "xia",
        '娜' => "na",
        '王' => "wang",
        '张' => "zhang",
        '刘' => "liu",
        '陈' => "chen",
        '赵' => "zhao",
        '黄' => "huang",
        '周' => "zhou",
        '吴' => "wu",
        '徐' => "xu",
        '孙' => "sun",
        '胡' => "hu",
        '李' => "li",
        _ => "",
    }
}
