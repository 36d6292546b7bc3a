import { boolean, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";

const at = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/** The columns of `users` that the sign-in's role may read. The core makes the rows and authenticates them. */
export const people = pgTable("users", {
  id: uuid("id").notNull(),
  email: text("email").notNull(),
  name: text("name").notNull(),
  emailVerified: boolean("email_verified").notNull(),
  twoFactorEnabled: boolean("two_factor_enabled").notNull(),
  image: text("image"),
  createdAt: at("created_at").notNull(),
  updatedAt: at("updated_at").notNull(),
  disabledAt: at("disabled_at"),
});
