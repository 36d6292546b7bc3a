import {
  apiKeyOperations,
  approvalOperations,
  auditOperations,
  catalogOperations,
  companiesOperations,
  companyRegionOperations,
  exportOperations,
  invitationLinkOperations,
  invitationOperations,
  keyOperations,
  memberOperations,
  meOperations,
  migrationOperations,
  myBackupCodeOperations,
  myPasskeyOperations,
  mySessionOperations,
  myTotpOperations,
  operatorOperations,
  moveOperations,
  regionOperations,
  regionVerificationOperations,
  rotationOperations,
  runOperations,
  searchOperations,
  systemOperations,
  userOperations,
  webhookOperations,
} from "@repo/catalog";
import { procedures, publicProcedures, vaultProcedures } from "./procedures.ts";
import { createCallerFactory, router } from "./trpc.ts";

/** The API: each operation of the definitions with the service that implements it. */
export const appRouter = router({
  catalog: router(
    procedures(catalogOperations, { describe: async ({ describeCatalog }) => describeCatalog() }),
  ),

  me: router({
    ...procedures(meOperations, {
      get: ({ me }, caller) => me.get(caller),
      active: ({ me }, caller) => me.active(caller),
      setName: ({ me }, caller, { name }) => me.setName(caller, name),
      setPassword: ({ me }, caller, { password }) => me.setPassword(caller, password),
    }),
    sessions: router(
      procedures(mySessionOperations, {
        list: ({ me }, caller) => me.sessions(caller),
        end: ({ me }, caller, { sessionId }) => me.endSession(caller, sessionId),
        endOthers: async ({ me }, caller) => ({ ended: await me.endOtherSessions(caller) }),
      }),
    ),
    totp: router(
      procedures(myTotpOperations, {
        begin: ({ me }, caller) => me.beginTotp(caller),
        finish: async ({ me }, caller, given) => ({ backupCodes: await me.finishTotp(caller, given) }),
        remove: ({ me }, caller) => me.removeTotp(caller),
      }),
    ),
    passkeys: router(
      procedures(myPasskeyOperations, {
        list: ({ me }, caller) => me.passkeys(caller),
        begin: ({ me }, caller) => me.beginPasskey(caller),
        finish: async ({ me }, caller, given) => ({ backupCodes: await me.finishPasskey(caller, given) }),
        rename: ({ me }, caller, change) => me.renamePasskey(caller, change),
        remove: ({ me }, caller, { id }) => me.removePasskey(caller, id),
      }),
    ),
    backupCodes: router(
      procedures(myBackupCodeOperations, {
        renew: async ({ me }, caller) => ({ backupCodes: await me.renewBackupCodes(caller) }),
      }),
    ),
  }),

  secrets: router({
    ...vaultProcedures(),
    ...procedures(searchOperations, {
      search: ({ searchValues }, caller, { value, company }) => searchValues(caller, value, company),
    }),
  }),

  companies: router({
    ...procedures(companiesOperations, {
      stamp: ({ stamps }, caller, { company }) => stamps.get(caller, company),
      settings: ({ companySettings }, caller, { company }) => companySettings.get(caller, company),
      list: ({ companies }, caller) => companies.list(caller),
      create: ({ companies }, caller, company) => companies.create(caller, company),
      rename: ({ companies }, caller, { company, ...change }) => companies.rename(caller, company, change),
      setRecovery: ({ companies }, caller, { company, days }) => companies.setRecovery(caller, company, days),
      setSecondFactor: ({ secondFactorRule }, caller, { company, required }) =>
        secondFactorRule.set(caller, company, required),
      externalKey: ({ externalKey }, caller, { company }) => externalKey.get(caller, company),
      setExternalKey: ({ externalKey }, caller, { company, key }) => externalKey.set(caller, company, key),
      removeExternalKey: ({ externalKey }, caller, { company }) => externalKey.remove(caller, company),
      get: ({ companies }, caller, { company }) => companies.get(caller, company),
      shred: ({ shredding }, caller, { company, ...options }) => shredding.shred(caller, company, options),
      receipt: ({ shredding }, caller, { company }) => shredding.receipt(caller, company),
      delete: ({ deletions }, caller, { company, ...options }) =>
        deletions.schedule(caller, company, options),
      keep: ({ deletions }, caller, { company }) => deletions.keep(caller, company),
      deletion: ({ deletions }, caller, { company }) => deletions.get(caller, company),
      suspend: ({ suspension }, caller, { company }) => suspension.suspend(caller, company),
      resume: ({ suspension }, caller, { company }) => suspension.resume(caller, company),
    }),
    ...procedures(moveOperations, {
      move: ({ moves }, caller, { company, to }) => moves.move(caller, company, to),
      takeOver: ({ moves }, caller, { company, from }) => moves.takeOver(caller, company, from),
      leave: ({ moves }, caller, { company, ...options }) => moves.leave(caller, company, options),
    }),

    members: router(
      procedures(memberOperations, {
        list: ({ members }, caller, { company }) => members.list(caller, company),
        add: ({ members }, caller, { company, ...member }) => members.add(caller, company, member),
        change: ({ members }, caller, { company, ...role }) => members.change(caller, company, role),
        remove: ({ members }, caller, { company, ...leaver }) => members.remove(caller, company, leaver),
        endSessions: ({ members }, caller, { company, userId }) =>
          members.endSessions(caller, company, userId),
      }),
    ),

    regions: router(
      procedures(companyRegionOperations, {
        list: ({ companyRegions }, caller, { company }) => companyRegions.list(caller, company),
        add: ({ companyRegions }, caller, { company, ...region }) =>
          companyRegions.add(caller, company, region),
        remove: ({ companyRegions }, caller, { company, ...region }) =>
          companyRegions.remove(caller, company, region),
      }),
    ),

    apiKeys: router(
      procedures(apiKeyOperations, {
        list: ({ apiKeys }, caller, { company }) => apiKeys.list(caller, company),
        create: ({ apiKeys }, caller, key) => apiKeys.create(caller, key),
        rotate: ({ apiKeys }, caller, { company, ...rotation }) => apiKeys.rotate(caller, company, rotation),
        revoke: ({ apiKeys }, caller, { company, id }) => apiKeys.revoke(caller, company, id),
      }),
    ),
  }),

  invitations: router({
    ...procedures(invitationOperations, {
      list: ({ invitations }, caller, { company }) => invitations.list(caller, company),
      create: ({ invitations }, caller, { company, ...person }) =>
        invitations.create(caller, company, person),
      resend: ({ invitations }, caller, { company, invitation }) =>
        invitations.resend(caller, company, invitation),
      revoke: ({ invitations }, caller, { company, invitation }) =>
        invitations.revoke(caller, company, invitation),
    }),
    ...publicProcedures(invitationLinkOperations, {
      look: ({ acceptance }, visitor, { token }) => acceptance.look(visitor, token),
      accept: ({ acceptance }, visitor, answer) => acceptance.accept(visitor, answer),
    }),
  }),

  keys: router(
    procedures(keyOperations, {
      status: ({ masterKeys }, caller) => masterKeys.status(caller),
      backups: ({ keyBackups }, caller) => keyBackups.list(caller),
      rotate: async ({ keyRotation }, caller) => ({ rotation: await keyRotation.request(caller) }),
      rotateCompany: async ({ companyKeyRotation }, caller, { company }) => ({
        keyVersion: await companyKeyRotation.requestRotation(caller, company),
      }),
      report: ({ masterKeys }, caller, { rotation }) => masterKeys.findReport(caller, rotation),
      verifyReport: ({ masterKeys }, caller, report) => masterKeys.verifyReport(caller, report),
      destroy: ({ masterKeys }, caller, { version }) => masterKeys.destroy(caller, version),
    }),
  ),

  migrations: router(
    procedures(migrationOperations, {
      plan: async ({ migrations }, caller, input) => ({
        run: await migrations.begin(caller, { verb: "plan", ...input }),
      }),
      copy: async ({ migrations }, caller, input) => ({
        run: await migrations.begin(caller, { verb: "copy", ...input }),
      }),
      verify: async ({ migrations }, caller, input) => ({
        run: await migrations.begin(caller, { verb: "verify", ...input }),
      }),
      switch: async ({ migrations }, caller, input) => ({
        run: await migrations.begin(caller, { verb: "switch", ...input }),
      }),
      rollback: async ({ migrations }, caller, input) => ({
        run: await migrations.begin(caller, { verb: "rollback", ...input }),
      }),
      cleanup: async ({ migrations }, caller, input) => ({
        run: await migrations.begin(caller, { verb: "cleanup", ...input }),
      }),
      mirror: ({ mirroring }, caller, request) => mirroring.set(caller, request),
      companies: ({ migrations }, caller, query) => migrations.companies(caller, query),
      status: async ({ migrations }, caller, query) => ({
        companies: await migrations.status(caller, query),
      }),
      report: ({ migrations }, caller, { run }) => migrations.findReport(caller, run),
    }),
  ),

  runs: router(
    procedures(runOperations, {
      list: async ({ runs }, caller, page) => ({ runs: await runs.list(caller, page) }),
      get: ({ runs }, caller, { run }) => runs.get(caller, run),
      pause: ({ runs }, caller, { run }) => runs.pause(caller, run),
      resume: ({ runs }, caller, { run }) => runs.resume(caller, run),
      cancel: ({ runs }, caller, { run }) => runs.cancel(caller, run),
    }),
  ),

  rotation: router(
    procedures(rotationOperations, {
      policies: ({ rotation }, caller, { company }) => rotation.list(caller, company),
      setPolicy: ({ rotation }, caller, policy) => rotation.set(caller, policy),
      removePolicy: ({ rotation }, caller, name) => rotation.remove(caller, name),
      pause: ({ rotation }, caller, name) => rotation.pause(caller, name),
      resume: ({ rotation }, caller, name) => rotation.resume(caller, name),
      rotate: async ({ rotation }, caller, asked) => ({ run: await rotation.rotate(caller, asked) }),
      rotateCompromised: ({ rotation }, caller, asked) => rotation.rotateCompromised(caller, asked),
      runs: async ({ rotation }, caller, query) => ({ runs: await rotation.runs(caller, query) }),
      run: ({ rotation }, caller, { company, run }) => rotation.run(caller, company, run),
      supply: async ({ rotation }, caller, supply) => ({
        version: await rotation.people.supply(caller, supply),
      }),
      confirm: ({ rotation }, caller, name) => rotation.people.confirm(caller, name),
      endOrphan: ({ rotation }, caller, orphan) => rotation.endOrphan(caller, orphan),
      abort: ({ rotation }, caller, name) => rotation.people.abort(caller, name),
      fallBack: ({ rotation }, caller, name) => rotation.people.fallBack(caller, name),
    }),
  ),

  webhooks: router(
    procedures(webhookOperations, {
      list: async ({ webhooks }, caller, { company }) => ({
        endpoints: await webhooks.list(caller, company),
      }),
      eventTypes: async ({ webhooks }, caller, { company }) => ({
        types: await webhooks.eventTypes(caller, company),
      }),
      create: ({ webhooks }, caller, endpoint) => webhooks.create(caller, endpoint),
      update: ({ webhooks }, caller, change) => webhooks.update(caller, change),
      roll: ({ webhooks }, caller, roll) => webhooks.roll(caller, roll),
      pause: ({ webhooks }, caller, name) => webhooks.pause(caller, name),
      resume: ({ webhooks }, caller, name) => webhooks.resume(caller, name),
      remove: ({ webhooks }, caller, name) => webhooks.remove(caller, name),
      test: ({ webhooks }, caller, name) => webhooks.deliveries.test(caller, name),
      deliveries: async ({ webhooks }, caller, query) => ({
        deliveries: await webhooks.deliveries.list(caller, query),
      }),
      replay: async ({ webhooks }, caller, asked) => ({
        deliveries: await webhooks.deliveries.replay(caller, asked),
      }),
    }),
  ),

  exports: router(
    procedures(exportOperations, {
      list: ({ exports }, caller, query) => exports.list(caller, query),
      receipt: ({ exports }, caller, named) => exports.receipt(caller, named),
    }),
  ),

  system: router(procedures(systemOperations, { health: ({ system }, caller) => system.health(caller) })),

  operators: router(
    procedures(operatorOperations, { list: ({ operators }, caller) => operators.listForOperator(caller) }),
  ),

  regions: router({
    ...procedures(regionOperations, {
      identity: ({ regions }, caller) => regions.identity(caller),
      list: ({ regions }, caller) => regions.list(caller),
      status: ({ regionStatus }, caller) => regionStatus.status(caller),
      receipts: ({ regionReceipts }, caller) => regionReceipts.receipts(caller),
      add: ({ regions }, caller, region) => regions.add(caller, region),
      remove: ({ regions }, caller, { region }) => regions.remove(caller, region),
    }),
    ...procedures(regionVerificationOperations, {
      verify: ({ regionVerification }, caller, { company }) => regionVerification.verify(caller, company),
    }),
  }),

  approvals: router(
    procedures(approvalOperations, {
      list: ({ approvals }, caller) => approvals.list(caller),
      give: ({ approvals }, caller, { approval }) => approvals.give(caller, approval),
      refuse: ({ approvals }, caller, { approval }) => approvals.refuse(caller, approval),
    }),
  ),

  users: router(
    procedures(userOperations, {
      list: ({ users }, caller, query) => users.list(caller, query),
      disable: ({ users }, caller, { userId, ...options }) => users.disable(caller, userId, options),
      endSessions: async ({ users }, caller, { userId }) => ({
        ended: await users.endSessions(caller, userId),
      }),
      resetSecondFactor: ({ users }, caller, { userId }) => users.resetSecondFactor(caller, userId),
      enable: ({ users }, caller, { userId }) => users.enable(caller, userId),
    }),
  ),

  audit: router(
    procedures(auditOperations, {
      list: ({ audit }, caller, page) => audit.list(caller, page),
      summary: ({ audit }, caller, asked) => audit.summary(caller, asked),
      proof: ({ audit }, caller, asked) => audit.proof(caller, asked),
      verify: ({ audit }, caller) => audit.requestVerification(caller),
      export: ({ audit }, caller, page) => audit.export(caller, page),
      publicKeys: async ({ audit }, caller) => ({ publicKeys: await audit.publicKeys(caller) }),
    }),
  ),
});
export type AppRouter = typeof appRouter;

/** Calls procedures in process, with a context from `createContext` or `createCallerContext`. */
export const createCaller = createCallerFactory(appRouter);
