/** A finding about a setting names its line, as long as the file is the one that runs. */
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { placeOfSetting } from '../../core/config/place-of-setting.ts'
import { tempDir } from '../support/temp.ts'

const TEXT = `installations:
  - { id: first, use: hello }
  - id: sheet
    use: google-sheets
    with:
      a/b: 1
      key: "\${SHEET_KEY}"
      columns:
        - name: email
        - name: budget
`

test.each([
  ['/key', 7, 12],
  ['/columns/1/name', 10, 17],
  ['/a~1b', 6, 12],
  ['/columns/7/none', 8, 7],
  ['', 3, 5],
  [undefined, 3, 5],
])('%s stands at %d:%d', async (at, line, column) => {
  await using dir = await tempDir('place')
  const file = dir.file('manifold.yaml')
  await writeFile(file, TEXT)
  const checksum = createHash('sha256').update(TEXT).digest('hex')
  const setting = { workspace: 'default', id: 'sheet', at }
  expect(await placeOfSetting({ file, checksum }, setting)).toEqual({ file, line, column })
  expect(await placeOfSetting({ file, checksum }, { ...setting, id: 'gone' })).toBeNull()
  expect(await placeOfSetting({ file, checksum: 'of another text' }, setting)).toBeNull()
  expect(await placeOfSetting({ file: null, checksum }, setting)).toBeNull()
})
