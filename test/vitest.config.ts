/** How the tests run: in child processes (isolated-vm dislikes threads), all files of the tree, no transforms to configure. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const NEEDS_BOTH_CORES = ['test/faults/pg-{23,25}-*.test.ts']

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  cacheDir: 'node_modules/.cache/vitest',
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'all',
          include: ['{core,plugins,integrations,test}/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'test/fixtures/**', ...NEEDS_BOTH_CORES],
        },
      },
      {
        // After the others, one by one: they load a fleet until the machine is full, and count what it does then.
        extends: true,
        test: { name: 'by itself', include: NEEDS_BOTH_CORES, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
      {
        // The tour of the system once more, on Postgres: nothing of it may depend on what is underneath. (Backup and
        // restore of 20 and the commands of 90 name files of SQLite.)
        extends: true,
        test: {
          name: 'flow on postgres',
          include: ['test/flow/{10,15,16,17,30,40,50,55,60,62,70,80}-*.test.ts'],
          env: { MANIFOLD_TEST_BACKEND: 'postgres' },
        },
      },
    ],
    // Finds Postgres and Redis, once for all files.
    globalSetup: ['test/support/services-setup.ts'],
    pool: 'forks',
    // isolated-vm cannot run in a process started from V8's snapshot.
    execArgv: ['--no-node-snapshot'],
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
    // Each file cleans up after itself; a test that only passes on the second try is a failing test. A shared CI machine
    // may stand still for seconds in the middle of a fault, so there, and only there, one more try is given and reported.
    retry: process.env['CI'] === undefined ? 0 : 1,
    allowOnly: false,
    reporters: ['default'],
  },
})
