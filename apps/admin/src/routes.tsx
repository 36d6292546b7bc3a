import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  notFound,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import type { Api } from "./api.ts";
import { readNewKeyParams } from "./api-keys/search.ts";
import { auditSearchFrom, platformAuditSearchFrom } from "./audit-log/search.ts";
import { reasonOf } from "./errors.ts";
import { findAccount, type Account } from "./frame/account.ts";
import { NotYoursPage } from "./frame/not-yours-page.tsx";
import { ErrorPage } from "./frame/error-page.tsx";
import type { SessionSignal } from "./frame/session.ts";
import { readMigrationParams } from "./platform/migration/params.ts";
import { readListParams } from "./platform/search-params.ts";
import { readNewPolicyParams, readRunsSearch } from "./rotation/search.ts";
import { readSecretsSearch } from "./secrets/list-search.ts";

// The table of contents: each address of the app, who gets there, and its page, which is loaded when one goes there. One table
// for all rooms, with a block for each, so that one sees every address at once. The server answers the same addresses
// (apps/hono-api/src/routes/admin.ts); a test compares the two.

export interface AppContext {
  readonly api: Api;
  readonly session: SessionSignal;
  readonly signOut: () => Promise<void>;
  /** Of a mail's link that led here. */
  readonly linkToken?: string | undefined;
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
  interface HistoryState {
    /** Where to go after the sign-in. Not in the URL: addresses without a session name no company. */
    target?: string;
  }
}

const root = createRootRouteWithContext<AppContext>()({
  component: Outlet,
  errorComponent: ErrorPage,
});

const signedIn = createRoute({
  getParentRoute: () => root,
  id: "signed-in",
  component: lazyRouteComponent(() => import("./signed-in.tsx"), "SignedIn"),
  notFoundComponent: NotYoursPage,
  beforeLoad: async ({ context: { api, session }, location }): Promise<{ readonly account: Account }> => {
    const toSignIn = () => redirect({ to: "/sign-in", state: { target: location.href }, replace: true });
    const account = await findAccount(api).catch((error: unknown) => {
      throw reasonOf(error) === "UNAUTHENTICATED" ? toSignIn() : error;
    });
    session.opened();
    if (account.factors.due)
      throw redirect({ to: "/enrol", state: { target: location.href }, replace: true });
    return { account };
  },
});

const home = createRoute({
  getParentRoute: () => signedIn,
  path: "/",
  beforeLoad: ({ context: { account } }) => {
    const [company, ...others] = account.companies;
    if (company === undefined && account.operator !== undefined) {
      throw redirect({ to: "/platform", replace: true });
    }
    throw company !== undefined && others.length === 0
      ? redirect({ to: "/c/$company/secrets", params: { company: company.subdomain }, replace: true })
      : redirect({ to: "/companies", replace: true });
  },
});

const company = createRoute({
  getParentRoute: () => signedIn,
  path: "c/$company",
  component: lazyRouteComponent(() => import("./frame/company-frame.tsx"), "CompanyFrame"),
});

const platform = createRoute({
  getParentRoute: () => signedIn,
  path: "platform",
  component: lazyRouteComponent(() => import("./frame/platform-frame.tsx"), "PlatformFrame"),
});

const platformHome = createRoute({
  getParentRoute: () => platform,
  path: "/",
  beforeLoad: async () => {
    // With the icons of all places, which the sign-in needs none of.
    const { platformPlaces } = await import("./frame/places.ts");
    const [place] = platformPlaces;
    throw place === undefined ? notFound() : redirect({ to: place.to, replace: true });
  },
});

// Without a session.
const signInRoutes = [
  createRoute({
    getParentRoute: () => root,
    path: "sign-in",
    component: lazyRouteComponent(() => import("./sign-in/sign-in-page.tsx"), "SignInPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "forgot",
    component: lazyRouteComponent(() => import("./sign-in/forgot-page.tsx"), "ForgotPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "reset",
    component: lazyRouteComponent(() => import("./sign-in/reset-page.tsx"), "ResetPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "invitation",
    component: lazyRouteComponent(() => import("./sign-in/invitation-page.tsx"), "InvitationPage"),
  }),
] as const;

// With a session, and a second factor that is due before anything else.
const enrol = createRoute({
  getParentRoute: () => root,
  path: "enrol",
  component: lazyRouteComponent(() => import("./enrolment.tsx"), "Enrolment"),
  beforeLoad: async ({ context: { api } }) => {
    const { factors } = await findAccount(api).catch((error: unknown) => {
      throw reasonOf(error) === "UNAUTHENTICATED" ? redirect({ to: "/sign-in", replace: true }) : error;
    });
    if (!factors.due) throw redirect({ to: "/", replace: true });
  },
});

const companiesRoutes = [
  createRoute({
    getParentRoute: () => signedIn,
    path: "companies",
    component: lazyRouteComponent(() => import("./companies/companies-page.tsx"), "CompaniesPage"),
  }),
] as const;

const accountRoutes = [
  createRoute({
    getParentRoute: () => signedIn,
    path: "account",
    component: lazyRouteComponent(() => import("./account/account-page.tsx"), "AccountPage"),
  }),
] as const;

const secrets = createRoute({
  getParentRoute: () => company,
  path: "secrets",
  validateSearch: readSecretsSearch,
  component: lazyRouteComponent(() => import("./secrets/list-page.tsx"), "SecretsPage"),
});

const secretsRoutes = [
  secrets.addChildren([
    createRoute({ getParentRoute: () => secrets, path: "/" }),
    createRoute({
      getParentRoute: () => secrets,
      path: "$secretKey",
      component: lazyRouteComponent(() => import("./secrets/panel.tsx"), "SecretPanel"),
    }),
  ]),
  createRoute({
    getParentRoute: () => company,
    path: "secrets/new",
    component: lazyRouteComponent(() => import("./secrets/form-new.tsx"), "ChooseSecretPage"),
  }),
  createRoute({
    getParentRoute: () => company,
    path: "secrets/new/$secretKey",
    component: lazyRouteComponent(() => import("./secrets/form-new.tsx"), "AddSecretPage"),
  }),
  createRoute({
    getParentRoute: () => company,
    path: "secrets/removed",
    component: lazyRouteComponent(() => import("./secrets/removed-page.tsx"), "RemovedPage"),
  }),
  createRoute({
    getParentRoute: () => company,
    path: "secrets/import",
    component: lazyRouteComponent(() => import("./secrets/import.tsx"), "ImportPage"),
  }),
] as const;

const platformRoutes = [
  createRoute({
    getParentRoute: () => platform,
    path: "companies",
    validateSearch: readListParams,
    component: lazyRouteComponent(() => import("./platform/companies-page.tsx"), "CompaniesPage"),
  }),
  createRoute({
    getParentRoute: () => platform,
    path: "companies/new",
    component: lazyRouteComponent(() => import("./platform/new-company-page.tsx"), "NewCompanyPage"),
  }),
  createRoute({
    getParentRoute: () => platform,
    path: "companies/$subdomain",
    component: lazyRouteComponent(() => import("./platform/company-page.tsx"), "CompanyPage"),
  }),
  createRoute({
    getParentRoute: () => platform,
    path: "migrations",
    validateSearch: readMigrationParams,
    component: lazyRouteComponent(() => import("./platform/migration/migrations-page.tsx"), "MigrationsPage"),
  }),
  createRoute({
    getParentRoute: () => platform,
    path: "migrations/$run",
    component: lazyRouteComponent(() => import("./platform/migration/migration-page.tsx"), "MigrationPage"),
  }),
  createRoute({
    getParentRoute: () => platform,
    path: "regions",
    component: lazyRouteComponent(() => import("./platform/regions/regions-page.tsx"), "RegionsPage"),
  }),
  createRoute({
    getParentRoute: () => platform,
    path: "approvals",
    component: lazyRouteComponent(() => import("./platform/approvals-page.tsx"), "ApprovalsPage"),
  }),
  createRoute({
    getParentRoute: () => platform,
    path: "keys",
    component: lazyRouteComponent(() => import("./platform/keys-page.tsx"), "KeysPage"),
  }),
  createRoute({
    getParentRoute: () => platform,
    path: "search",
    component: lazyRouteComponent(() => import("./platform/search-page.tsx"), "SearchPage"),
  }),
  createRoute({
    getParentRoute: () => platform,
    path: "audit-log",
    validateSearch: platformAuditSearchFrom,
    component: lazyRouteComponent(() => import("./audit-log/platform-audit-log.tsx"), "PlatformAuditLogPage"),
  }),
  createRoute({
    getParentRoute: () => platform,
    path: "runs",
    component: lazyRouteComponent(() => import("./platform/runs-page.tsx"), "RunsPage"),
  }),
  createRoute({
    getParentRoute: () => platform,
    path: "system",
    component: lazyRouteComponent(() => import("./platform/system-page.tsx"), "SystemPage"),
  }),
  createRoute({
    getParentRoute: () => platform,
    path: "people",
    component: lazyRouteComponent(() => import("./platform/people-page.tsx"), "PeoplePage"),
  }),
] as const;

const peopleRoutes = [
  createRoute({
    getParentRoute: () => company,
    path: "people",
    component: lazyRouteComponent(() => import("./people/people-page.tsx"), "PeoplePage"),
  }),
] as const;

const apiKeysRoutes = [
  createRoute({
    getParentRoute: () => company,
    path: "api-keys",
    component: lazyRouteComponent(() => import("./api-keys/api-keys-page.tsx"), "ApiKeysPage"),
  }),
  createRoute({
    getParentRoute: () => company,
    path: "api-keys/new",
    validateSearch: readNewKeyParams,
    component: lazyRouteComponent(() => import("./api-keys/new-page.tsx"), "NewApiKeyPage"),
  }),
] as const;

const rotationRoutes = [
  createRoute({
    getParentRoute: () => company,
    path: "rotation",
    component: lazyRouteComponent(() => import("./rotation/policies-page.tsx"), "PoliciesPage"),
  }),
  createRoute({
    getParentRoute: () => company,
    path: "rotation/new",
    validateSearch: readNewPolicyParams,
    component: lazyRouteComponent(() => import("./rotation/new-page.tsx"), "NewPolicyPage"),
  }),
  createRoute({
    getParentRoute: () => company,
    path: "rotation/$secretKey",
    component: lazyRouteComponent(() => import("./rotation/edit-page.tsx"), "EditPolicyPage"),
  }),
  createRoute({
    getParentRoute: () => company,
    path: "rotation/runs",
    validateSearch: readRunsSearch,
    component: lazyRouteComponent(() => import("./rotation/runs-page.tsx"), "RotationRunsPage"),
  }),
  createRoute({
    getParentRoute: () => company,
    path: "rotation/runs/$run",
    component: lazyRouteComponent(() => import("./rotation/run-page.tsx"), "RotationRunPage"),
  }),
] as const;

// Of a company and of the platform, with the same pages.
const webhooksRoutes = [
  createRoute({
    getParentRoute: () => company,
    path: "webhooks",
    component: lazyRouteComponent(() => import("./webhooks/webhooks-page.tsx"), "WebhooksPage"),
  }),
  createRoute({
    getParentRoute: () => company,
    path: "webhooks/new",
    component: lazyRouteComponent(() => import("./webhooks/new-page.tsx"), "NewEndpointPage"),
  }),
  createRoute({
    getParentRoute: () => company,
    path: "webhooks/$endpoint",
    component: lazyRouteComponent(() => import("./webhooks/endpoint-page.tsx"), "EndpointPage"),
  }),
] as const;

const platformWebhooksRoutes = [
  createRoute({
    getParentRoute: () => platform,
    path: "webhooks",
    component: lazyRouteComponent(() => import("./webhooks/webhooks-page.tsx"), "WebhooksPage"),
  }),
  createRoute({
    getParentRoute: () => platform,
    path: "webhooks/new",
    component: lazyRouteComponent(() => import("./webhooks/new-page.tsx"), "NewEndpointPage"),
  }),
  createRoute({
    getParentRoute: () => platform,
    path: "webhooks/$endpoint",
    component: lazyRouteComponent(() => import("./webhooks/endpoint-page.tsx"), "EndpointPage"),
  }),
] as const;

const auditLogRoutes = [
  createRoute({
    getParentRoute: () => company,
    path: "audit-log",
    validateSearch: auditSearchFrom,
    component: lazyRouteComponent(() => import("./audit-log/company-audit-log.tsx"), "CompanyAuditLogPage"),
  }),
] as const;

const settingsRoutes = [
  createRoute({
    getParentRoute: () => company,
    path: "settings",
    component: lazyRouteComponent(() => import("./settings/settings-page.tsx"), "SettingsPage"),
  }),
] as const;

const routeTree = root.addChildren([
  ...signInRoutes,
  enrol,
  signedIn.addChildren([
    home,
    ...companiesRoutes,
    ...accountRoutes,
    company.addChildren([
      ...secretsRoutes,
      ...rotationRoutes,
      ...peopleRoutes,
      ...auditLogRoutes,
      ...apiKeysRoutes,
      ...webhooksRoutes,
      ...settingsRoutes,
    ]),
    platform.addChildren([platformHome, ...platformRoutes, ...platformWebhooksRoutes]),
  ]),
]);

/** @returns the router of a page. Moving the pointer over a link loads code, never data: looking is audited. */
export function createAppRouter(context: AppContext) {
  return createRouter({
    routeTree,
    context,
    defaultPreload: "intent",
    scrollRestoration: false,
    defaultErrorComponent: ErrorPage,
  });
}
