/** Everything about numbers. */
import type { Screen } from '../../visit.ts'
import { installed } from './asking.ts'
import { formPage } from './form.ts'
import { formsPage } from './forms.ts'
import { funnelPage } from './funnel.ts'
import { journeysPage } from './journeys.ts'
import { noteScreens } from './notes.ts'
import { questionPage } from './question.ts'
import { retentionPage } from './retention.ts'
import { savedScreens } from './saved.ts'
import { shareScreens } from './shares.ts'
import { sqlPage } from './sql.ts'

const page = (path: string, nav: string, of: { title: string; page: Parameters<typeof installed>[1] }): Screen => ({
  method: 'GET',
  path,
  nav,
  answer: installed(of.title, of.page),
})

export const analyticsScreens: readonly Screen[] = [
  page('/analytics', 'analytics', { title: 'Analytics', page: formsPage }),
  page('/analytics/forms/{id}', 'analytics', { title: 'Analytics', page: formPage }),
  page('/analytics/question', 'question', { title: 'Questions', page: questionPage }),
  page('/analytics/sql', 'question', { title: 'SQL', page: sqlPage }),
  page('/analytics/funnel', 'funnel', { title: 'Funnels', page: funnelPage }),
  page('/analytics/retention', 'retention', { title: 'Retention', page: retentionPage }),
  page('/analytics/journeys', 'journeys', { title: 'Journeys', page: journeysPage }),
  ...noteScreens,
  ...savedScreens,
  ...shareScreens,
]
