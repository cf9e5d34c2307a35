/** The router's table: every screen there is. A screen is a file of its own in `screens/` and a line here. */
import { analyticsScreens } from './screens/analytics/screens.ts'
import { composeScreens } from './screens/compose.ts'
import { configScreens } from './screens/config.ts'
import { deadLetterScreens } from './screens/dead-letters.ts'
import { deliveryScreens } from './screens/deliveries.ts'
import { eventScreens } from './screens/events.ts'
import { formEditScreens } from './screens/form-edit.ts'
import { previewScreens } from './screens/form-preview.ts'
import { formScreens } from './screens/forms.ts'
import { hookScreens } from './screens/hooks.ts'
import { installationScreens } from './screens/installations.ts'
import { keyScreens } from './screens/keys.ts'
import { overviewScreen } from './screens/overview.ts'
import { pluginScreens } from './screens/plugins.ts'
import { quarantineScreens } from './screens/quarantine.ts'
import { responseScreens } from './screens/responses.ts'
import { runScreens } from './screens/runs.ts'
import { systemScreens } from './screens/system.ts'
import type { Screen } from './visit.ts'

/** In the order of the navigation; of two that fit a path the first one answers. */
export const SCREENS: readonly Screen[] = [
  overviewScreen,
  ...formEditScreens,
  ...formScreens,
  ...previewScreens,
  ...responseScreens,
  ...quarantineScreens,
  ...eventScreens,
  ...deliveryScreens,
  ...deadLetterScreens,
  ...hookScreens,
  ...composeScreens,
  ...installationScreens,
  ...pluginScreens,
  ...runScreens,
  ...keyScreens,
  ...configScreens,
  ...systemScreens,
  ...analyticsScreens,
]
