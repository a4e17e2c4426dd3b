import Cinch

func codes(_ setting: Setting) throws { throw CinchError.usage("Not yet.") }
