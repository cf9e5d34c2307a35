/** Lines that do not stand where YAML wants them: each told at the line that has to be changed. */
import { expect, test } from 'vitest'
import { formatProblem } from '../../core/config/format-problems.ts'
import { loadConfig } from '../../core/config/load.ts'

const plugins = ['hello', 'webhooks'].map((id) => ({ id, settings: ['url', 'port'], checkWith: () => [] }))
const INSTALLATION = 'installations:\n  - id: a\n    use: webhooks\n'

const CASES: readonly [string, string, string[]][] = [
  [
    'settings beside "with" instead of below it',
    'installations:\n  - id: a\n    use: hello\n    with:\n    url: x\n',
    [
      'manifold.yaml:5:5 installations[0].url "url" is a setting of "hello" → indent it two spaces deeper, below "with:"',
    ],
  ],
  ['a tab', `${INSTALLATION}\twith: {}\n`, ['manifold.yaml:4:1 a tab is used to indent → indent with spaces']],
  [
    'an item without its dash',
    `${INSTALLATION}  id: b\n    use: webhooks\n`,
    ['manifold.yaml:4:3 an item of the list begins without "-" → write "- id: b"'],
  ],
  [
    'an item without its dash, at the column of the keys',
    `${INSTALLATION}    id: b\n`,
    [
      'manifold.yaml:4:5 the same key is written twice → keep one of the two; if a new item of the list begins here: "- id: …"',
    ],
  ],
  [
    'dashes that do not stand below each other',
    `${INSTALLATION} - id: b\n   use: webhooks\n`,
    [
      'manifold.yaml:4:2 this "-" begins at column 2, those of the same list at column 3 (line 2) → put them below each other',
    ],
  ],
  [
    'a key that begins too far left',
    `${INSTALLATION}   with: {}\n`,
    [
      'manifold.yaml:4:4 begins at column 4, the line before at column 5 → what belongs together begins at the same column',
    ],
  ],
  [
    'a key below one that has its value',
    `${INSTALLATION}    with: { url: x }\n      port: 1\n`,
    [
      'manifold.yaml:5:7 is indented deeper than line 4, which has its value already → begin it at column 5, or leave what follows ":" in line 4 out',
    ],
  ],
  [
    'no space after a colon',
    'installations:\n  - id: a\n    use:webhooks\n    with: {}\n',
    ['manifold.yaml:3:8 a space is missing after ":"'],
  ],
  [
    'no space after a dash',
    'installations:\n  -id: a\n   use: webhooks\n',
    ['manifold.yaml:2:3 a space is missing after "-"'],
  ],
  [
    'text that needs quotes',
    `${INSTALLATION}    with:\n      text: Hello: {{data.name}}\n      line: {{data.name}}\n`,
    ['manifold.yaml:5:13 this text has "{{" or ": " in it → put it in quotes'],
  ],
  [
    'a brace that is not closed',
    `installations:\n  - { id: a, use: webhooks\n  - { id: b, use: webhooks }\n`,
    ['manifold.yaml:3:3 a bracket or brace that was opened before is not closed here → close it with ] or }'],
  ],
  [
    'a variable in a flow map',
    'installations:\n  - { id: a, use: hello, with: { url: ${NO_SUCH}, port: 1 } }\n',
    ['manifold.yaml:2:39 a variable between { } or [ ] is read as part of those → put it in quotes: "${NO_SUCH}"'],
  ],
  [
    'a variable inside a text of a flow map',
    'installations:\n  - { id: a, use: hello, with: { url: https://${HOST:-h}/x } }\n',
    [
      'manifold.yaml:2:39 a variable between { } or [ ] is read as part of those → put it in quotes: "https://${HOST:-h}/x"',
    ],
  ],
  [
    'a variable in a flow list',
    'installations:\n  - { id: a, use: hello, when: { form: [ ${FORM} ] } }\n',
    ['manifold.yaml:2:42 a variable between { } or [ ] is read as part of those → put it in quotes: "${FORM}"'],
  ],
]

test.each(CASES)('%s', async (_name, text, told) => {
  const result = await loadConfig({ file: '/tmp/manifold.yaml', text, env: {}, plugins })
  const problems = 'problems' in result ? result.problems : []
  expect(problems.map((problem) => formatProblem(problem, '/tmp'))).toEqual(told)
})
