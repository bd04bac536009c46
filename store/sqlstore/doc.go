// Package sqlstore keeps wxlogin's sessions in an SQL database.
package sqlstore
